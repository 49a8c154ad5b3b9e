// The header under -fno-exceptions, where only the forms with a failure are there: a program that
// ends with the number of what is wrong.

#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <tsr/tsr.hpp>
#include <vector>

static_assert(!TSR_EXCEPTIONS, "or it tests nothing");

namespace {

int wrong = 0;

void check(bool holds, const char* what) {
    if (holds) return;
    std::printf("does not hold: %s\n", what);
    ++wrong;
}

}  // namespace

int main() {
    const std::int32_t values[] = {1, -2, 3};
    const tsr::TensorView view(values, {3});
    tsr::Failure failure;
    const auto file = tsr::dumps(view, failure);
    check(file && file->size() == 76, "a tensor is encoded");
    const auto tensor = tsr::loads(file->data(), file->size(), failure);
    check(tensor && tensor->as<std::int32_t>()[1] == -2, "and decoded");
    check(!tsr::loads(file->data(), 75, failure), "a file that is cut is refused");
    check(failure.message() ==
              "payload at offset 64: got 11 bytes, expected 12 bytes [V1-PAYLOAD-1]",
          "with the words of the exception");
    check(tsr::validate(file->data(), 75).size() == 1, "and validated");
    check(!tsr::dumps(tsr::TensorView(tsr::DType::FP16, {1}, values), failure), "FP16 is refused");
    check(failure.kind == tsr::Failure::Kind::Unsupported, "as unsupported");
    check(!tsr::Tensor::allocate(tsr::DType::INT8, {-1}, failure), "a negative size is refused");
    check(!tsr::Tensor::allocate(tsr::DType::INT8, {std::int64_t{1} << 62}, failure),
          "a tensor that finds no memory is a failure");
    check(failure.code == std::errc::not_enough_memory, "of the system");
    check(tsr::parse(file->data(), 64, failure).has_value(), "a layout is parsed");
    check(tsr::parse_header(file->data(), 64, failure).has_value(), "a header is parsed");
    check(tsr::build_header(tsr::DType::INT8, {2}, failure).has_value(), "a header is built");
    const std::filesystem::path path = std::filesystem::temp_directory_path() /
                                       ("tsr-" + std::to_string(std::random_device()()) + ".tsr");
    const tsr::WriteOptions options{tsr::Format::TSR4};
    check(tsr::save(path, std::vector<tsr::TensorView>{view, view}, failure, options),
          "a file is written");
    auto tensors = tsr::TensorFile::open(path, failure);
    check(tensors && tensors->size() == 2, "and opened");
    check(tensors->view(1, failure)->as<std::int32_t>()[2] == 3, "and seen");
    check(tensors->read(0, failure)->nbytes() == 12, "and read");
    check(!tsr::load(path, failure), "it holds more than one");
    check(tsr::validate(path, failure)->empty(), "it is valid");
    std::filesystem::remove(path);
    check(!tsr::load(path, failure) && failure.code == std::errc::no_such_file_or_directory,
          "what is not there is a failure of the system");
    return wrong;
}
