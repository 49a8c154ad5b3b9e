// White space, as Python's strings have it: what str.isspace and \s of re are true of. Text is UTF-8.
#ifndef TR_SESSION_SPACE_HPP
#define TR_SESSION_SPACE_HPP

#include <cstddef>
#include <string_view>

namespace tr {

// The length of the character of white space that a text starts with; 0 where it is another one.
std::size_t space_at_start(std::string_view text) noexcept;

// The text without white space at its ends.
std::string_view strip(std::string_view text) noexcept;
std::string_view strip_start(std::string_view text) noexcept;
std::string_view strip_end(std::string_view text) noexcept;

}  // namespace tr

#endif
