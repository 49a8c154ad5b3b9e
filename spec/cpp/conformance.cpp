// tsr.hpp under the protocol of spec/conformance.md.
//
// In: inputs on standard input, each behind its length. Out: an answer to each on standard output.

#include <openssl/sha.h>

#include <cstdint>
#include <string>
#include <tsr/tsr.hpp>

#include "inputs.hpp"

namespace {

std::string sha256(const tsr::TensorView& tensor) {
    constexpr char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(tensor.data()), tensor.nbytes(), digest);
    std::string text;
    for (unsigned char byte : digest) text += {digits[byte >> 4], digits[byte & 15]};
    return text;
}

const char* numpy_name(tsr::DType dtype) {
    switch (dtype) {
        case tsr::DType::FP32: return "float32";
        case tsr::DType::FP16: return "float16";
        case tsr::DType::INT8: return "int8";
        case tsr::DType::INT32: return "int32";
    }
    return "";
}

std::string described(const tsr::TensorView& tensor) {
    std::string shape;
    for (std::int64_t dim : tensor.shape()) shape += (shape.empty() ? "" : ",") + std::to_string(dim);
    return std::string(R"({"dtype":")") + numpy_name(tensor.dtype()) + R"(","shape":[)" + shape +
           R"(],"sha256":")" + sha256(tensor) + "\"}";
}

std::string refused(const tsr::Failure& failure) {
    if (failure.kind != tsr::Failure::Kind::Format)
        return R"({"skip":")" + (failure.note.empty() ? failure.message() : failure.note) + "\"}";
    return R"({"clause":")" + failure.clause + R"(","field":")" + failure.field + R"(","offset":)" +
           std::to_string(failure.offset) + "}";
}

std::string answer(const unsigned char* bytes, std::size_t size) {
    tsr::Failure failure;
    auto file = tsr::TensorFile::over(bytes, size, failure);
    if (!file) return refused(failure);
    std::string tensors;
    for (std::size_t i = 0; i < file->size(); ++i) {
        const auto tensor = file->view(i, failure);
        if (!tensor) return refused(failure);
        tensors += (i == 0 ? "" : ",") + described(*tensor);
    }
    const bool is_v1 = file->layout().format == tsr::Format::V1;
    return std::string(R"({"format":")") + (is_v1 ? "v1" : "tsr4") + R"(","tensors":[)" + tensors +
           "]}";
}

}  // namespace

int main() {
    Input input;
    while (next_input(input)) {
        const std::string line = answer(input.bytes.get(), input.size) + "\n";
        if (!write_answer(line.data(), line.size())) return 1;
    }
}
