// Run a target over files, without an engine: replay TARGET [FILE or FOLDER]...
//
// A folder stands for the files in it, and one that is not there for none. Exit status: 0 the
// invariant holds for all of them, 2 the command line is wrong. Where it does not hold, the program
// is ended by a signal, and the file is named before.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "targets.hpp"

namespace {

namespace fs = std::filesystem;

void replay(fuzz::Target target, const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    std::fprintf(stderr, "%s\n", path.string().c_str());
    // Of exactly this size, so that a sanitizer sees every byte that is read behind it.
    const std::unique_ptr<std::uint8_t[]> data(new std::uint8_t[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), data.get());
    target(data.get(), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
    const fuzz::Target target = count > 1 ? fuzz::find(arguments[1]) : nullptr;
    if (target == nullptr) {
        std::fprintf(stderr, "replay TARGET [FILE or FOLDER]...\n");
        return 2;
    }
    std::size_t done = 0;
    for (int i = 2; i < count; ++i) {
        const fs::path given = arguments[i];
        std::vector<fs::path> paths;
        if (fs::is_directory(given)) {
            for (const fs::path& path : fs::directory_iterator(given)) paths.push_back(path);
        } else if (fs::exists(given)) {
            paths.push_back(given);
        }
        for (const fs::path& path : paths) {
            replay(target, path);
            ++done;
        }
    }
    std::printf("%zu files\n", done);
    return 0;
}
