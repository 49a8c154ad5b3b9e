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

#include <cstdio>
#include <memory>
#include <string>
#include <tsr/tsr.hpp>
#include <vector>

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

bool read_all(void* data, std::size_t size) {
    return std::fread(data, 1, size, stdin) == size;
}

}  // namespace

int main() {
    unsigned char length[8];
    while (read_all(length, sizeof length)) {
        std::uint64_t size = 0;
        for (std::size_t i = 8; i-- > 0;) size = size << 8 | length[i];
        char what = 0;
        if (size == 0 || !read_all(&what, 1)) return 1;
        // Of exactly this size, so that a sanitizer sees every byte that is read behind it.
        const auto bytes = static_cast<std::size_t>(size - 1);
        const std::unique_ptr<unsigned char[]> input(new unsigned char[bytes]);
        if (!read_all(input.get(), bytes)) return 1;
        const bool is_list = what == 'S' || what == 'L';
        const std::string answer = framed(is_list ? findings(input.get(), bytes, what == 'S')
                                                  : written(input.get(), bytes, what));
        if (std::fwrite(answer.data(), 1, answer.size(), stdout) != answer.size()) return 1;
        if (std::fflush(stdout) != 0) return 1;
    }
    return std::ferror(stdin) != 0 ? 1 : 0;
}
