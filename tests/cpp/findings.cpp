// What tsr.hpp says of files, and makes of their tensors, under the framing of spec/conformance.md.
//
// In: on standard input, inputs behind their length, eight bytes, little-endian. The first byte of
// each is what to do, the rest a file. Out: to each an answer of that form, on standard output.
//
//   S, L   the messages of what validate finds, strict or lenient, a line each
//   V      the tensors, written as version 1: files one after another, each behind its length
//   R, Z   the tensors, written as one file of TSR4, uncompressed or compressed
//
// To V, R and Z, the answer of a file that is refused is empty, and so is that of tensors that have
// no encoding.

#include <algorithm>
#include <memory>
#include <string>
#include <tsr/tsr.hpp>
#include <vector>

#include "../../spec/cpp/inputs.hpp"

namespace {

std::string framed(const std::string& text) {
    std::string length;
    for (std::size_t i = 0; i < 8; ++i)
        length += static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xff);
    return length + text;
}

std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string findings(const unsigned char* data, std::size_t size, bool is_strict) {
    std::string text;
    for (const tsr::Failure& finding : tsr::validate(data, size, tsr::ReadOptions{is_strict, true}))
        text += finding.message() + "\n";
    return text;
}

std::string written(const unsigned char* data, std::size_t size, char what) {
    tsr::Failure failure;
    auto file = tsr::TensorFile::over(data, size, failure);
    std::vector<tsr::TensorView> views;
    for (std::size_t i = 0; file && i < file->size(); ++i) {
        const auto view = file->view(i, failure);
        if (!view) return {};
        views.push_back(*view);
    }
    if (what != 'V') {
        const auto bytes = tsr::dumps(views, failure, {tsr::Format::TSR4, what == 'Z'});
        return bytes ? text_of(*bytes) : std::string();
    }
    std::string text;
    for (const tsr::TensorView& view : views) {
        const auto bytes = tsr::dumps(view, failure);
        if (!bytes) return {};
        text += framed(text_of(*bytes));
    }
    return text;
}

}  // namespace

int main() {
    Input input;
    while (next_input(input)) {
        if (input.size == 0) return 1;
        const char what = static_cast<char>(input.bytes[0]);
        // Again of exactly its size, without the letter.
        const std::size_t size = input.size - 1;
        const std::unique_ptr<unsigned char[]> file(new unsigned char[size]);
        std::copy_n(input.bytes.get() + 1, size, file.get());
        const bool is_list = what == 'S' || what == 'L';
        const std::string answer = framed(is_list ? findings(file.get(), size, what == 'S')
                                                  : written(file.get(), size, what));
        if (!write_answer(answer.data(), answer.size())) return 1;
    }
}
