// The header without TSR_WITH_ZLIB, in a program whose other units have it.

#include "unit_without_zlib.hpp"

#include <tsr/tsr.hpp>

static_assert(!TSR_WITH_ZLIB, "or it tests nothing");

std::string message_without_zlib(const void* data, std::size_t size) {
    tsr::Failure failure;
    auto file = tsr::TensorFile::over(data, size, failure);
    if (!file || file->view(0, failure)) return failure.message();
    const std::string message = failure.message();
    return !file->read(0, failure) && failure.message() == message ? message : "another for a copy";
}

std::string message_of_compression_without_zlib() {
    const float value = 1;
    tsr::Failure failure;
    const bool is_done =
        bool(tsr::dumps(tsr::TensorView(&value, {}), failure, {tsr::Format::TSR4, true}));
    return is_done ? "it can" : failure.message();
}
