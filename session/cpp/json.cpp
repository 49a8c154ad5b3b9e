// See json.hpp. Raises nothing but what the standard library raises where memory ends.
#include "json.hpp"

#include <algorithm>
#include <cstdint>

namespace tr::json {

namespace {

// What is nested deeper is refused, as Python does where its stack would end.
constexpr std::size_t depth_max = 1000;

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

void append_code_point(std::string& text, std::uint32_t code) {
    const auto byte = [&text](std::uint32_t value) { text += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0 | code >> 6);
        byte(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        byte(0xE0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3F));
        byte(0x80 | (code & 0x3F));
    } else {
        byte(0xF0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3F));
        byte(0x80 | (code >> 6 & 0x3F));
        byte(0x80 | (code & 0x3F));
    }
}

// The bytes of the character at the start, 0 where there is none.
std::size_t character_length(std::string_view data, bool surrogates) {
    const auto at = [&data](std::size_t i) { return static_cast<unsigned char>(data[i]); };
    const unsigned lead = at(0);
    if (lead < 0x80) return 1;
    std::size_t length = 0;
    unsigned low = 0x80;   // of the second byte: no longer form than needed, no surrogate,
    unsigned high = 0xBF;  // nothing beyond the last code point
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED && !surrogates) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (data.size() < length || at(1) < low || at(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if ((at(i) & 0xC0) != 0x80) return 0;
    }
    return length;
}

class Reader {
public:
    explicit Reader(std::string_view document) : rest_(document) {}

    Outcome read(Fields& fields) {
        skip_spaces();
        if (!next_is('{')) return skip_value(0) && at_end() ? Outcome::NoObject : Outcome::NoJson;
        return read_object(fields) && at_end() ? Outcome::Object : Outcome::NoJson;
    }

private:
    bool at_end() {
        skip_spaces();
        return rest_.empty();
    }

    void skip_spaces() {
        while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
    }

    bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }

    // Takes a character, and the spaces around it, if it is the next.
    bool take(char c) {
        skip_spaces();
        if (!next_is(c)) return false;
        rest_.remove_prefix(1);
        skip_spaces();
        return true;
    }

    bool take_word(std::string_view word) {
        if (rest_.substr(0, word.size()) != word) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    bool read_object(Fields& fields) {
        take('{');
        if (take('}')) return true;
        do {
            std::string key;
            Value value;
            if (!read_text(key) || !take(':') || !read_value(value)) return false;
            fields[std::move(key)] = std::move(value);  // of two of a name, the last
        } while (take(','));
        return take('}');
    }

    bool read_value(Value& value) {
        if (next_is('"')) {
            value.kind = Value::Kind::Text;
            return read_text(value.text);
        }
        if (next_is('[')) {
            value.kind = Value::Kind::List;
            return read_list(value.items);
        }
        const std::string_view start = rest_;
        if (!skip_value(1)) return false;
        const char first = start.front();
        if (is_digit(first) || (first == '-' && start.substr(1, 1) != "I")) {
            value.kind = Value::Kind::Number;
            value.text = start.substr(0, start.size() - rest_.size());
        }
        return true;
    }

    bool read_list(std::vector<Value>& items) {
        take('[');
        if (take(']')) return true;
        do {
            Value& item = items.emplace_back();
            if (next_is('"')) {
                item.kind = Value::Kind::Text;
                if (!read_text(item.text)) return false;
            } else if (!skip_value(2)) {
                return false;
            }
        } while (take(','));
        return take(']');
    }

    bool read_text(std::string& text) {
        if (!next_is('"')) return false;
        rest_.remove_prefix(1);
        while (true) {
            const std::size_t end = rest_.find_first_of("\"\\");
            if (end == std::string_view::npos) return false;
            text.append(rest_.substr(0, end));
            const bool is_over = rest_[end] == '"';
            rest_.remove_prefix(end + 1);
            if (is_over) return true;
            if (!read_escape(text)) return false;
        }
    }

    bool read_escape(std::string& text) {
        constexpr std::string_view letters = "\"\\/bfnrt";
        constexpr std::string_view meant = "\"\\/\b\f\n\r\t";
        if (rest_.empty()) return false;
        const char letter = rest_.front();
        rest_.remove_prefix(1);
        if (letter != 'u') {
            const std::size_t index = letters.find(letter);
            if (index == std::string_view::npos) return false;
            text += meant[index];
            return true;
        }
        std::uint32_t code = 0;
        if (!read_hexadecimal(code)) return false;
        if (code >= 0xD800 && code < 0xDC00 && rest_.substr(0, 2) == "\\u") {
            const std::string_view before = rest_;
            std::uint32_t low = 0;
            rest_.remove_prefix(2);
            if (!read_hexadecimal(low)) return false;
            if (low >= 0xDC00 && low < 0xE000) {
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            } else {
                rest_ = before;
            }
        }
        append_code_point(text, code);
        return true;
    }

    bool read_hexadecimal(std::uint32_t& code) {
        if (rest_.size() < 4) return false;
        for (std::size_t i = 0; i < 4; ++i) {
            constexpr std::string_view digits = "0123456789abcdefABCDEF";
            const std::size_t digit = digits.find(rest_[i]);
            if (digit == std::string_view::npos) return false;
            code = code << 4 | static_cast<std::uint32_t>(digit < 16 ? digit : digit - 6);
        }
        rest_.remove_prefix(4);
        return true;
    }

    bool skip_number() {
        if (next_is('-')) rest_.remove_prefix(1);
        if (take_word("Infinity")) return true;
        if (rest_.empty() || !is_digit(rest_.front())) return false;
        if (next_is('0')) {
            rest_.remove_prefix(1);
        } else {
            skip_digits();
        }
        // What follows belongs to the number only if it is whole.
        std::string_view before = rest_;
        if (next_is('.')) {
            rest_.remove_prefix(1);
            if (!skip_digits()) return fall_back(before);
        }
        before = rest_;
        if (next_is('e') || next_is('E')) {
            rest_.remove_prefix(1);
            if (next_is('+') || next_is('-')) rest_.remove_prefix(1);
            if (!skip_digits()) return fall_back(before);
        }
        return true;
    }

    bool fall_back(std::string_view to) {
        rest_ = to;
        return true;
    }

    bool skip_digits() {
        const std::size_t before = rest_.size();
        while (!rest_.empty() && is_digit(rest_.front())) rest_.remove_prefix(1);
        return rest_.size() < before;
    }

    bool skip_scalar() {
        if (next_is('"')) {
            std::string text;
            return read_text(text);
        }
        return take_word("true") || take_word("false") || take_word("null") || take_word("NaN") ||
               skip_number();
    }

    // Passes over a value of any kind. No recursion: what it takes is known beforehand.
    bool skip_value(std::size_t depth) {
        std::vector<char> open;  // the brackets that are to be closed
        while (true) {
            skip_spaces();
            if (next_is('{') || next_is('[')) {
                if (depth + open.size() == depth_max) return false;
                open.push_back(next_is('{') ? '}' : ']');
                rest_.remove_prefix(1);
                if (take(open.back())) {
                    open.pop_back();
                } else if (open.back() == '}') {
                    if (!skip_key()) return false;
                    continue;
                } else {
                    continue;
                }
            } else if (!skip_scalar()) {
                return false;
            }
            // A value is over, and with it what it is the last of.
            while (!open.empty() && take(open.back())) open.pop_back();
            if (open.empty()) return true;
            if (!take(',') || (open.back() == '}' && !skip_key())) return false;
        }
    }

    bool skip_key() {
        std::string key;
        skip_spaces();
        return read_text(key) && take(':');
    }

    std::string_view rest_;
};

}  // namespace

Outcome read(std::string_view document, Fields& fields) {
    return Reader(document).read(fields);
}

bool is_utf8(std::string_view data, bool surrogates) {
    while (!data.empty()) {
        const std::size_t length = character_length(data, surrogates);
        if (length == 0) return false;
        data.remove_prefix(length);
    }
    return true;
}

void append(std::string& document, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto escape = [&document, digits](unsigned code) {
        document += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) document += digits[code >> shift & 0xF];
    };
    document += '"';
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text.front());
        std::size_t length = 1;
        if (text.front() == '"' || text.front() == '\\') {
            document += '\\';
            document += text.front();
        } else if (lead < 0x20) {
            escape(lead);
        } else if (lead < 0x80) {
            document += text.front();
        } else {
            length = std::min<std::size_t>(lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4, text.size());
            unsigned code = lead & 0xFFU >> (length + 1);
            for (const char c : text.substr(1, length - 1)) {
                code = code << 6 | (static_cast<unsigned char>(c) & 0x3FU);
            }
            if (code > 0xFFFF) {
                escape(0xD800U + ((code - 0x10000U) >> 10));
                code = 0xDC00U + (code & 0x3FFU);
            }
            escape(code);
        }
        text.remove_prefix(length);
    }
    document += '"';
}

}  // namespace tr::json
