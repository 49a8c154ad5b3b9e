// libFuzzer's entry points, over the target that TSR_FUZZ_TARGET names.

#include "targets.hpp"

extern "C" {

std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::TSR_FUZZ_TARGET(data, size);
    return 0;
}

#if TSR_FUZZ_FILES
std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed);

std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                    unsigned seed) {
    return fuzz::mutate(data, size, size_max, seed, LLVMFuzzerMutate);
}
#endif
}
