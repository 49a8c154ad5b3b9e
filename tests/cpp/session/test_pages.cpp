// The files of large tensors, where a reader and a fork come between; on Linux, which has them.
#include "pages.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

// Called once, before a lock is tried.
std::function<void()> before_lock;

}  // namespace

// In place of the system's.
extern "C" int flock(int file, int operation) noexcept {
    if ((operation & LOCK_NB) != 0 && before_lock) {
        const auto action = std::move(before_lock);
        before_lock = nullptr;
        action();
    }
    return static_cast<int>(syscall(SYS_flock, file, operation));
}

namespace {

using tr::Directory;
using tr::Outgoing;
using tr::Tensor;

// A directory of its own, which is removed in the end.
class Folder {
public:
    Folder() { REQUIRE(mkdtemp(path_.data()) != nullptr); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    const std::string& path() const noexcept { return path_; }

private:
    std::string path_ = (std::filesystem::temp_directory_path() / "tr-test-XXXXXX").string();
};

Tensor large(float value) {
    return Tensor::full(tr::Shape(1 << 19), value);
}

void send(Outgoing& outgoing, Directory& directory, float value, const char* name) {
    const Tensor tensor = large(value);
    CHECK(outgoing.write(tr::codec::header_of(tensor), tensor,
                         [&](const std::string& file) { CHECK(directory.link(file, name)); }));
}

// The first element of the tensor in a file.
float value_of(const Folder& folder, const char* name) {
    return Tensor::from_tsr(folder.path() + "/" + name).at<float>(0);
}

}  // namespace

TEST_CASE("no file takes the place of a standard stream that is closed") {
    for (const int stream : {STDIN_FILENO, STDERR_FILENO}) {
        CAPTURE(stream);
        const Folder folder;
        const int kept = fcntl(stream, F_DUPFD_CLOEXEC, 10);
        REQUIRE(kept >= 0);
        close(stream);
        {
            Directory directory(folder.path());
            Outgoing outgoing(directory);
            send(outgoing, directory, 1, "a.tsr");
            const std::optional<tr::OpenFile> file = directory.open("a.tsr", "a.tsr");
            CHECK(fcntl(stream, F_GETFD) == -1);
            CHECK(fcntl(file->descriptor.get(), F_GETFD) == FD_CLOEXEC);
        }
        CHECK(dup2(kept, stream) == stream);
        close(kept);
    }
}

TEST_CASE("a file that its reader gives back just as its writer wants it is not written") {
    const Folder folder;
    Directory directory(folder.path());
    Outgoing outgoing(directory);
    send(outgoing, directory, 1, "input.tsr");
    const std::optional<tr::OpenFile> taken = directory.open("input.tsr", "input.tsr", true);
    REQUIRE(taken);
    REQUIRE(flock(taken->descriptor.get(), LOCK_SH) == 0);
    directory.remove("input.tsr");
    before_lock = [&] {
        for (const std::string& name : directory.list()) {
            if (name.find(".pool") != name.npos) CHECK(directory.link(name, "result.tsr"));
        }
        REQUIRE(flock(taken->descriptor.get(), LOCK_UN) == 0);
    };
    send(outgoing, directory, 2, "next.tsr");
    CHECK_FALSE(before_lock);
    CHECK(value_of(folder, "result.tsr") == 1);
    CHECK(value_of(folder, "next.tsr") == 2);
    // Its next reader gets its lock.
    CHECK(flock(taken->descriptor.get(), LOCK_SH | LOCK_NB) == 0);
}
