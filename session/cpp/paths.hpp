// Paths <-> text in UTF-8, in C++17 and in the standards after it.
#ifndef TR_PATHS_HPP
#define TR_PATHS_HPP

#include <filesystem>
#include <string>

namespace tr {

inline std::filesystem::path path_of(const std::string& text) {
#ifndef _WIN32
    return text;
#elif defined(__cpp_char8_t)
    return std::u8string(text.begin(), text.end());
#else
    return std::filesystem::u8path(text);
#endif
}

inline std::string utf8_of(const std::filesystem::path& path) {
#ifndef _WIN32
    return path.string();
#else
    const auto text = path.u8string();
    return {text.begin(), text.end()};
#endif
}

}  // namespace tr

#endif
