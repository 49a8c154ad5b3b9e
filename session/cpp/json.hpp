// As much of JSON as messages need: an object of texts, numbers and lists of texts.
//
// Reads what Python's json reads with strict=False: control characters may stand in strings, as
// the format's original pastes them. What has no place in a message is checked and passed over.
// Lone surrogates are kept as the three bytes that UTF-8 would give them, and written as escapes.
#ifndef TR_SESSION_JSON_HPP
#define TR_SESSION_JSON_HPP

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tr::json {

struct Value {
    enum class Kind { Text, Number, List, Other };

    Kind kind = Kind::Other;
    std::string text;          // of a text or a number
    std::vector<Value> items;  // of a list; those that are lists themselves are Other
};

using Fields = std::map<std::string, Value, std::less<>>;

enum class Outcome { Object, NoObject, NoJson };

// Reads a whole document into `fields`, which is empty before.
Outcome read(std::string_view document, Fields& fields);

// Whether this is UTF-8; with `surrogates`, those pass, too.
bool is_utf8(std::string_view data, bool surrogates = false);

// Appends a text as JSON writes it, in quotes. It is UTF-8 where surrogates pass.
void append(std::string& document, std::string_view text);

}  // namespace tr::json

#endif
