// What a unit that is compiled without TSR_WITH_ZLIB says of compressed files.

#ifndef TSR_TESTS_UNIT_WITHOUT_ZLIB_HPP
#define TSR_TESTS_UNIT_WITHOUT_ZLIB_HPP

#include <cstddef>
#include <string>

/// Why the first tensor of a file cannot be read, as a copy and as a view alike.
std::string message_without_zlib(const void* data, std::size_t size);

/// Why a tensor cannot be written compressed.
std::string message_of_compression_without_zlib();

#endif  // TSR_TESTS_UNIT_WITHOUT_ZLIB_HPP
