// See space.hpp.
#include "space.hpp"

#include <algorithm>
#include <iterator>

namespace tr {

namespace {

// Those beyond ASCII, each as its bytes.
constexpr std::string_view wide_spaces[] = {
    "\xC2\x85",                                                                      // U+0085
    "\xC2\xA0",                                                                      // U+00A0
    "\xE1\x9A\x80",                                                                  // U+1680
    "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84",  // from U+2000
    "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89",
    "\xE2\x80\x8A",                  // to U+200A
    "\xE2\x80\xA8", "\xE2\x80\xA9",  // U+2028, U+2029
    "\xE2\x80\xAF",                  // U+202F
    "\xE2\x81\x9F",                  // U+205F
    "\xE3\x80\x80",                  // U+3000
};

bool is_narrow_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1C' && c <= '\x1F');
}

std::size_t space_at_end(std::string_view text) noexcept {
    if (text.empty()) return 0;
    if (is_narrow_space(text.back())) return 1;
    if (static_cast<unsigned char>(text.back()) < 0x80) return 0;
    for (const std::string_view space : wide_spaces) {
        if (text.size() >= space.size() && text.substr(text.size() - space.size()) == space) {
            return space.size();
        }
    }
    return 0;
}

}  // namespace

std::size_t space_at_start(std::string_view text) noexcept {
    if (text.empty()) return 0;
    if (is_narrow_space(text.front())) return 1;
    if (static_cast<unsigned char>(text.front()) < 0x80) return 0;
    for (const std::string_view space : wide_spaces) {
        if (text.substr(0, space.size()) == space) return space.size();
    }
    return 0;
}

std::string_view strip(std::string_view text) noexcept {
    return strip_start(strip_end(text));
}

std::string_view strip_start(std::string_view text) noexcept {
    while (const std::size_t length = space_at_start(text)) text.remove_prefix(length);
    return text;
}

std::string_view strip_end(std::string_view text) noexcept {
    while (const std::size_t length = space_at_end(text)) text.remove_suffix(length);
    return text;
}

}  // namespace tr
