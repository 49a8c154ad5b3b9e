// Inputs on standard input, each behind its length in eight bytes, little-endian.
//
// In: standard input, as spec/conformance.md frames it. Out: one input after another, in memory.

#ifndef TSR_SPEC_INPUTS_HPP
#define TSR_SPEC_INPUTS_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

struct Input {
    std::unique_ptr<unsigned char[]> bytes;
    std::size_t size = 0;
};

/// The next input; false where the input ends. One that is cut ends the program, with status 1.
inline bool next_input(Input& input) {
    unsigned char length[8];
    const std::size_t found = std::fread(length, 1, sizeof length, stdin);
    if (found == 0 && std::ferror(stdin) == 0) return false;
    if (found != sizeof length) std::exit(1);
    std::uint64_t size = 0;
    for (std::size_t i = sizeof length; i-- > 0;) size = size << 8 | length[i];
    input.size = static_cast<std::size_t>(size);
    // Of exactly this size, so that a sanitizer sees every byte that is read behind it.
    input.bytes.reset(new unsigned char[input.size]);
    if (std::fread(input.bytes.get(), 1, input.size, stdin) != input.size) std::exit(1);
    return true;
}

/// Write an answer, and have it out before more is waited for.
inline bool write_answer(const char* data, std::size_t size) {
    return std::fwrite(data, 1, size, stdout) == size && std::fflush(stdout) == 0;
}

#endif
