// What is fuzzed in tsr.hpp: functions of bytes, each with an invariant; and how inputs are changed.
//
// A function returns where its invariant holds, and ends the program, with the line that says it,
// where it does not. No engine is included: libFuzzer (engine.cpp) and a plain program (replay.cpp)
// run the same functions.

#ifndef TSR_FUZZ_TARGETS_HPP
#define TSR_FUZZ_TARGETS_HPP

#include <cstddef>
#include <cstdint>

namespace fuzz {

using Target = void (*)(const std::uint8_t* data, std::size_t size);

void parse(const std::uint8_t* data, std::size_t size);
void contents(const std::uint8_t* data, std::size_t size);
void round_trip(const std::uint8_t* data, std::size_t size);
void build(const std::uint8_t* data, std::size_t size);

/// The target of a name; nullptr for none.
Target find(const char* name);

/// Changes bytes at random in place, and gives their new number.
using Change = std::size_t (*)(std::uint8_t* data, std::size_t size, std::size_t size_max);

/// Change a file: with `change`, or a field of it; then put right what follows from the others.
///
/// Products, sizes, offsets and checksums that are wrong would hide all that comes behind them.
std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed,
                   Change change);

}  // namespace fuzz

#endif  // TSR_FUZZ_TARGETS_HPP
