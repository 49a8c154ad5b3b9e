// Files: what is opened and what is not, what is held meanwhile, and what writing leaves behind.

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <string>
#include <thread>

#include "support.hpp"

using tsr::DType;
using tsr::Failure;
using tsr::Format;
using tsr::ReadOptions;
using tsr::Tensor;
using tsr::TensorFile;
using tsr::TensorView;
using tsr::WriteOptions;

namespace fs = std::filesystem;

namespace {

const WriteOptions raw{Format::TSR4, false, false};
const WriteOptions zlib{Format::TSR4, true, false};

/// What every way to read a file makes of one that is refused; the same, or a failed check.
Failure refusal(const fs::path& path) {
    Failure failure;
    Failure other;
    CHECK_FALSE(tsr::load(path, failure));
    CHECK_FALSE(TensorFile::open(path, other));
    CHECK(is_same(failure, other));
    CHECK(failure.path == path.string());
    if (failure.kind == Failure::Kind::Format) {
        CHECK(is_same(thrown_by<tsr::FormatError>([&] { tsr::load(path); }), failure));
        CHECK(is_same(thrown_by<tsr::FormatError>([&] { TensorFile::open(path); }), failure));
        const auto findings = tsr::validate(path, other);
        REQUIRE(findings);
        REQUIRE(findings->size() == 1);
        CHECK(is_same((*findings)[0], failure));
        CHECK(is_same(tsr::validate(path)[0], failure));
    } else {
        CHECK(failure.kind == Failure::Kind::System);
        CHECK_THROWS_WITH_AS(tsr::load(path), failure.message().c_str(), std::system_error);
        CHECK_THROWS_AS(TensorFile::open(path), std::system_error);
        CHECK_FALSE(tsr::validate(path, other));
        CHECK(is_same(failure, other));
        CHECK_THROWS_AS(tsr::validate(path), std::system_error);
    }
    return failure;
}

Failure save_refusal(const fs::path& path, const TensorView& tensor) {
    Failure failure;
    CHECK_FALSE(tsr::save(path, tensor, failure));
    CHECK(failure.kind == Failure::Kind::System);
    CHECK(failure.path == path.string());
    CHECK_THROWS_WITH_AS(tsr::save(path, tensor), failure.message().c_str(), std::system_error);
    return failure;
}

const float numbers[] = {1, -2};
const TensorView two(numbers, {1, 2});  // of which v1_file() is the file

std::size_t descriptors() {
    const fs::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::size_t mappings(const fs::path& path) {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);)
        if (line.find(path.string()) != std::string::npos) ++count;
    return count;
}

/// A file of version 1 that is large enough to be mapped, whose elements count up.
Bytes large_file() {
    const std::int32_t dims[4] = {1, 1, 1, 300000};
    Bytes file = v1_header(2, 1, dims);
    for (std::size_t i = 0; i < 300000; ++i) file.push_back(static_cast<unsigned char>(i * 31));
    return file;
}

}  // namespace

// ------------------------------------------------------------------ reading

TEST_CASE("files of both formats are loaded, as tensors and as mappings") {
    const Folder folder;
    const Bytes payload = hex("0000803f 000000c0");
    write_file(folder / "v1.tsr", v1_file());
    CHECK(bytes_of(tsr::load(folder / "v1.tsr")) == payload);
    CHECK(bytes_of(TensorFile::open(folder / "v1.tsr")[0]) == payload);
    write_file(folder / "raw.tsr", raw_file());
    CHECK(bytes_of(tsr::load(folder / "raw.tsr")) == hex("003c0040"));
    write_file(folder / "zlib.tsr", zlib_file());
    Failure failure;
    CHECK_FALSE(tsr::load(folder / "zlib.tsr", failure));
    CHECK_TEXT(failure.message(),
               (folder / "zlib.tsr").string() +
                   ": tensors: got 3, expected one (tsr::TensorFile gives each)");
    auto file = TensorFile::open(folder / "zlib.tsr");
    CHECK(bytes_of(file[1]) == Bytes{1, 2, 3, 4, 5});
    CHECK_FALSE(file.view(3, failure));
    CHECK(failure.path == (folder / "zlib.tsr").string());
    CHECK(tsr::validate(folder / "zlib.tsr").empty());
}

TEST_CASE("a file of the original writer is what its index says") {
    const fs::path path = SOURCE_DIR "/spec/vectors/original/dw_ref_fwd_bwd_fp32.tsr";
    const Tensor weights = tsr::load(path);
    CHECK(weights.dtype() == DType::FP32);
    CHECK(weights.shape() == tsr::Shape{16, 1, 1, 32});
    CHECK(weights.nbytes() == 2048);
    CHECK(tsr::validate(path).empty());
}

TEST_CASE("files of every size around those where reading changes its way") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    for (const std::int32_t size : {0, 1, 63, 4031, 4032, 4033, 131007, 131008, 131009, 300000}) {
        const std::int32_t dims[4] = {1, 1, 1, size};
        Bytes elements(static_cast<std::size_t>(size));
        for (std::size_t i = 0; i < elements.size(); ++i)
            elements[i] = static_cast<unsigned char>(i * 7 + i / 256);
        const Bytes file = joined(v1_header(2, 1, dims), elements);
        write_file(path, file);
        CHECK(bytes_of(tsr::load(path)) == elements);
        CHECK(bytes_of(TensorFile::open(path)[0]) == elements);
        CHECK(bytes_of(TensorFile::open(path).read(0)) == elements);
        CHECK(tsr::validate(path).empty());
        write_file(path, joined(file, {0}));
        CHECK(refusal(path).clause == "V1-PAYLOAD-2");
        CHECK(bytes_of(tsr::load(path, ReadOptions{false, true})) == elements);
        if (size == 0) continue;
        write_file(path, Bytes(file.begin(), file.end() - 1));
        CHECK(refusal(path).clause == "V1-PAYLOAD-1");
    }
}

TEST_CASE("files that are too short for a header are refused with their name") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    for (const int size : {0, 1, 3, 4, 63}) {
        const Bytes file = v1_file();
        write_file(path, Bytes(file.begin(), file.begin() + size));
        CHECK_TEXT(refusal(path).message(), path.string() + ": header at offset 0: got " +
                                                std::to_string(size) +
                                                " bytes, expected at least 64 bytes [V1-SIZE-1]");
    }
    write_file(path, hex("54535234"));
    CHECK(refusal(path).clause == "T4-SIZE-1");
}

TEST_CASE("what is no regular file is refused, without waiting") {
    const Folder folder;
    const auto said = [](const fs::path& path) {
        const Failure failure = refusal(path);
        CHECK(failure.clause == "FILE-1");
        CHECK(failure.field == "file");
        CHECK(failure.expected == "a regular file");
        return failure.found;
    };
    CHECK(said(folder.path()) == "a directory");
    const fs::path fifo = folder / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(said(fifo) == "a FIFO");
    CHECK(said("/dev/null") == "a character device");
    CHECK(said("/dev/zero") == "a character device");
    const fs::path name = folder / "socket";
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(said(name) == "a socket");
    ::close(listener);
    fs::create_symlink(fifo, folder / "link");
    CHECK(said(folder / "link") == "a FIFO");
}

TEST_CASE("what the system refuses is said with the path") {
    const Folder folder;
    CHECK(refusal(folder / "none").code == std::errc::no_such_file_or_directory);
    CHECK(refusal("").code == std::errc::no_such_file_or_directory);
    write_file(folder / "file", v1_file());
    CHECK(refusal(folder / "file/x").code == std::errc::not_a_directory);
    CHECK(refusal(folder / std::string(300, 'n')).code == std::errc::filename_too_long);
    fs::create_symlink("loop", folder / "loop");
    CHECK(refusal(folder / "loop").code == std::errc::too_many_symbolic_link_levels);
    CHECK_TEXT(refusal(folder / "none").message(),
               (folder / "none").string() + ": No such file or directory");
}

TEST_CASE("links are followed when a file is read") {
    const Folder folder;
    write_file(folder / "x.tsr", v1_file());
    fs::create_symlink("x.tsr", folder / "link");
    CHECK(bytes_of(tsr::load(folder / "link")) == bytes_of(two));
}

TEST_CASE("a file that shrinks or grows while it is read is refused") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    const auto changed_to = [&](std::size_t before, std::size_t after, const ReadOptions& options) {
        Bytes file = large_file();
        file.resize(before);
        write_file(path, file);
        tsr::detail::InputFile input;
        Failure failure;
        REQUIRE(input.open(path, failure));
        unsigned char head[64];
        REQUIRE(input.read(head, 64, 64, failure) == 64u);
        fs::resize_file(path, after);
        CHECK(tsr::detail::load_v1(input, head, 64, options, failure).has_value() == !failure);
        return failure.message();
    };
    const std::string start = path.string() + ": file at offset ";
    CHECK_TEXT(changed_to(300064, 100000, {}),
               start +
                   "100000: got 100000 bytes, expected 300064 bytes "
                   "(its size changed while it was read) [FILE-2]");
    CHECK_TEXT(changed_to(300064, 300063, {}),
               start +
                   "300063: got 300063 bytes, expected 300064 bytes "
                   "(its size changed while it was read) [FILE-2]");
    CHECK_TEXT(changed_to(300064, 400000, {}),
               start +
                   "300064: got 300065 bytes, expected 300064 bytes "
                   "(its size changed while it was read) [FILE-2]");
    CHECK_TEXT(changed_to(300064, 300064, {}), "nothing went wrong");
    CHECK_TEXT(changed_to(300070, 300064, ReadOptions{false, true}), "nothing went wrong");
    CHECK(changed_to(300070, 300063, ReadOptions{false, true}).find("FILE-2") != std::string::npos);
}

TEST_CASE(
    "a small file that grows before it is read is refused, but for what lies behind its end") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    const Bytes file = raw_file();
    write_file(path, file);
    tsr::detail::InputFile input;
    Failure failure;
    REQUIRE(input.open(path, failure));
    write_file(path, joined(file, {1, 2}));
    unsigned char head[4096];
    REQUIRE(input.read(head, sizeof head, file.size(), failure) == file.size() + 2);
    using tsr::detail::Storage;
    CHECK_FALSE(Storage::read(input, head, file.size() + 2, file.size(), failure));
    CHECK_TEXT(failure.message(), path.string() +
                                      ": file at offset 260: got 262 bytes, expected 260 bytes "
                                      "(its size changed while it was read) [FILE-2]");
    failure = {};
    CHECK(Storage::read(input, head, file.size(), file.size(), failure));
    // Lenient reading wants no more than the tensors.
    CHECK(Storage::read(input, head, file.size() + 2, file.size() - 1, failure));
}

TEST_CASE("a file that changes all the time is read whole, or refused for what it is") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    const Bytes small = tsr4_file({3, 1});
    write_file(path, small);
    std::atomic<bool> is_done{false};
    std::thread other([&] {
        for (std::size_t i = 0; !is_done; ++i)
            fs::resize_file(path, i % 2 == 0 ? 300 : small.size());
    });
    for (int i = 0; i < 300; ++i) {
        Failure failure;
        auto file = TensorFile::open(path, failure);
        CHECK(file.has_value() == !failure);
        if (failure)
            CHECK((failure.clause == "FILE-2" || failure.clause == "T4-PAYLOAD-1"));
        else
            CHECK(file->layout().end() == small.size());
    }
    is_done = true;
    other.join();
}

// ------------------------------------------------------------------ what is held

TEST_CASE("neither descriptor nor mapping outlives what needs it") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    write_file(path, large_file());
    write_file(folder / "bad.tsr", joined(large_file(), {0}));
    write_file(folder / "small.tsr", v1_file());
    const std::size_t before = descriptors();
    {
        TensorFile file = TensorFile::open(path);
        CHECK(mappings(path) == 1);
        CHECK(descriptors() == before);
        CHECK(file[0].as<std::int8_t>()[299999] == static_cast<std::int8_t>(299999u * 31u));
        // Its name can go, and what is mapped stays.
        fs::rename(path, folder / "y.tsr");
        CHECK(bytes_of(file[0]).size() == 300000);
        fs::rename(folder / "y.tsr", path);
    }
    CHECK(mappings(path) == 0);
    for (int i = 0; i < 20; ++i) {
        Failure failure;
        CHECK_FALSE(TensorFile::open(folder / "bad.tsr", failure));
        CHECK_FALSE(tsr::load(folder / "bad.tsr", failure));
        CHECK_FALSE(TensorFile::open(folder.path(), failure));
        CHECK(tsr::load(path, failure));
        CHECK(tsr::validate(path, failure));
        CHECK(TensorFile::open(folder / "small.tsr", failure));
        CHECK_FALSE(tsr::save(folder.path(), two, failure));
        CHECK(tsr::save(folder / "small.tsr", two, failure));
    }
    CHECK(descriptors() == before);
    CHECK(mappings(folder.path()) == 0);
}

TEST_CASE("a mapping moves with its owner, and views of it stay") {
    const Folder folder;
    const fs::path one = folder / "one.tsr";
    const fs::path other = folder / "other.tsr";
    write_file(one, large_file());
    write_file(other, large_file());
    TensorFile first = TensorFile::open(one);
    const TensorView view = first[0];
    TensorFile second = std::move(first);
    CHECK(second[0].data() == view.data());
    Failure failure;
    CHECK(first.size() == 0);  // NOLINT: it is what is tested
    CHECK_FALSE(first.view(0, failure));
    CHECK_FALSE(first.read(0, failure));
    CHECK(failure.kind == Failure::Kind::Unsupported);
    TensorFile third = TensorFile::open(other);
    third = std::move(second);
    CHECK(mappings(other) == 0);  // at once, not when `second` goes
    CHECK(mappings(one) == 1);
    CHECK(third[0].data() == view.data());
    TensorFile& same = third;
    third = std::move(same);
    CHECK(mappings(one) <= 1);
    first = TensorFile::open(other);
    CHECK(bytes_of(first[0]).size() == 300000);
}

TEST_CASE("what was inflated stays where it is when its owner moves") {
    const Bytes file = zlib_file();
    TensorFile first = TensorFile::over(file.data(), file.size());
    const TensorView view = first[1];
    TensorFile second = std::move(first);
    CHECK(second[1].data() == view.data());
    CHECK(bytes_of(view) == Bytes{1, 2, 3, 4, 5});
}

// ------------------------------------------------------------------ writing

TEST_CASE("files are written as bytes in memory are, and nothing else is left") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    Failure failure;
    CHECK(tsr::save(path, two, failure));
    CHECK_FALSE(failure);
    CHECK(read_file(path) == v1_file());
    for (const WriteOptions& options : {raw, zlib, WriteOptions{Format::TSR4, true, true}}) {
        tsr::save(path, two, options);
        CHECK(read_file(path) == bytes_of(tsr::dumps(two, options)));
        const std::vector<TensorView> views = {two, two};
        tsr::save(path, views, options);
        CHECK(read_file(path) == bytes_of(tsr::dumps(views, options)));
    }
    tsr::save(path, Tensor(DType::INT8, {0, 3}));
    CHECK(tsr::load(path).shape() == tsr::Shape{0, 3});
    CHECK(folder.names() == std::vector<std::string>{"x.tsr"});
}

TEST_CASE("many tensors, more than one system call takes") {
    const Folder folder;
    const std::vector<TensorView> views(200, two);
    tsr::save(folder / "x.tsr", views);
    TensorFile file = TensorFile::open(folder / "x.tsr");
    CHECK(file.size() == 200);
    for (std::size_t i = 0; i < file.size(); ++i) CHECK(bytes_of(file[i]) == bytes_of(two));
    CHECK(tsr::validate(folder / "x.tsr").empty());
}

TEST_CASE("a file that is replaced keeps its mode") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    const auto mode = [&] { return fs::status(path).permissions(); };
    for (const fs::perms perms : {fs::perms{0640}, fs::perms{0444}, fs::perms{0755}}) {
        write_file(path, {});
        fs::permissions(path, perms);
        tsr::save(path, two);
        CHECK(mode() == perms);
        fs::remove(path);
    }
    const mode_t old = ::umask(027);
    tsr::save(path, two);
    ::umask(old);
    CHECK(mode() == fs::perms{0640});
}

TEST_CASE("a file survives a failure to replace it, and no other file is left") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    write_file(path, {1, 2, 3});
    // Writing fails in the middle, as on a full disk.
    struct rlimit old {};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = old;
    limit.rlim_cur = 4096;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    Failure failure;
    const bool is_done = tsr::save(path, Tensor(DType::INT8, {100000}), failure);
    ::setrlimit(RLIMIT_FSIZE, &old);
    ::signal(SIGXFSZ, handler);
    CHECK_FALSE(is_done);
    CHECK(failure.code == std::errc::file_too_large);
    CHECK(failure.path == path.string());
    CHECK(read_file(path) == Bytes{1, 2, 3});
    CHECK(folder.names() == std::vector<std::string>{"x.tsr"});
    tsr::save(path, two);
    CHECK(read_file(path) == v1_file());
}

TEST_CASE("views of a mapped file can be written over that file") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    write_file(path, large_file());
    TensorFile file = TensorFile::open(path);
    tsr::save(path, file[0], raw);
    CHECK(bytes_of(tsr::load(path)) == bytes_of(file[0]));
    CHECK(tsr::load(path).shape() == tsr::Shape{1, 1, 1, 300000});
}

TEST_CASE("where nothing can be written the system says why") {
    const Folder folder;
    CHECK(save_refusal(folder / "none/x.tsr", two).code == std::errc::no_such_file_or_directory);
    CHECK(save_refusal(folder.path(), two).code == std::errc::is_a_directory);
    CHECK(save_refusal("", two).code == std::errc::no_such_file_or_directory);
    CHECK(save_refusal(folder / std::string(256, 'n'), two).code == std::errc::filename_too_long);
    fs::create_symlink("loop", folder / "loop");
    CHECK(save_refusal(folder / "loop", two).code == std::errc::too_many_symbolic_link_levels);
    CHECK(save_refusal("/dev/full", two).code == std::errc::no_space_on_device);
    fs::create_directory(folder / "locked");
    fs::permissions(folder / "locked", fs::perms{0555});
    fs::permissions(folder.path(), fs::perms{0755});
    // Who may do everything has to be somebody else for this.
    const bool is_root = ::geteuid() == 0;
    if (is_root) REQUIRE(::seteuid(65534) == 0);
    CHECK(save_refusal(folder / "locked/x.tsr", two).code == std::errc::permission_denied);
    if (is_root) REQUIRE(::seteuid(0) == 0);
    CHECK(folder.names({"loop", "locked"}).empty());
    CHECK(fs::is_empty(folder / "locked"));
}

TEST_CASE("a name can be as long as the system lets it be") {
    const Folder folder;
    const std::string name(255, 'n');
    tsr::save(folder / name, two);
    tsr::save(folder / name, two);
    CHECK(read_file(folder / name) == v1_file());
    CHECK(folder.names() == std::vector<std::string>{name});
    const fs::path here = fs::current_path();
    fs::current_path(folder.path());
    tsr::save(std::string(255, 'm'), two);
    tsr::save("short", two, WriteOptions{Format::V1, false, true});
    fs::current_path(here);
    CHECK(read_file(folder / "short") == v1_file());
    CHECK(folder.names({name, "short"}) == std::vector<std::string>{std::string(255, 'm')});
}

TEST_CASE("links stay when a file is written, and what they lead to is replaced or made") {
    const Folder folder;
    fs::create_directories(folder / "a/b");
    write_file(folder / "old.tsr", {1});
    fs::create_symlink("old.tsr", folder / "link");
    fs::create_symlink("link", folder / "outer");
    fs::create_symlink("../../new.tsr", folder / "a/b/dangling");
    tsr::save(folder / "outer", two);
    tsr::save(folder / "a/b/dangling", two);
    for (const char* link : {"link", "outer", "a/b/dangling"}) CHECK(fs::is_symlink(folder / link));
    CHECK(read_file(folder / "old.tsr") == v1_file());
    CHECK(read_file(folder / "new.tsr") == v1_file());
    fs::create_symlink("none/x.tsr", folder / "nowhere");
    CHECK(save_refusal(folder / "nowhere", two).code == std::errc::no_such_file_or_directory);
    CHECK(fs::is_symlink(folder / "nowhere"));
    CHECK(folder.names({"a", "old.tsr", "link", "outer", "new.tsr", "nowhere"}).empty());
}

TEST_CASE("a temporary name that is taken is passed by") {
    const Folder folder;
    const std::string start = (folder / "x.tsr").string() + "." + std::to_string(::getpid()) + "-";
    for (int i = 0; i < 3000; ++i) fs::create_symlink("none", start + std::to_string(i) + ".tmp");
    tsr::save(folder / "x.tsr", two);
    CHECK(read_file(folder / "x.tsr") == v1_file());
    CHECK(folder.names().size() == 3001);
}

TEST_CASE("what cannot be replaced is written to: /dev/stdout, a FIFO, /dev/null") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int old = ::dup(1);
    std::fflush(stdout);
    ::dup2(ends[1], 1);
    ::close(ends[1]);
    Failure failure;
    const bool is_done = tsr::save("/dev/stdout", two, failure);
    ::dup2(old, 1);
    ::close(old);
    CHECK(is_done);
    Bytes found(100);
    const ssize_t size = ::read(ends[0], found.data(), found.size());
    ::close(ends[0]);
    found.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    CHECK(found == v1_file());
    const Folder folder;
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    Bytes received;
    std::thread reader([&] { received = read_file(folder / "fifo"); });
    Tensor large(DType::INT8, {1 << 20});
    std::fill(large.data(), large.data() + large.nbytes(), std::byte{5});
    tsr::save(folder / "fifo", large);
    reader.join();
    CHECK(received == bytes_of(tsr::dumps(large)));
    CHECK(fs::is_fifo(folder / "fifo"));
    CHECK(folder.names() == std::vector<std::string>{"fifo"});
    tsr::save("/dev/null", two);
    CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("load reads a large TSR4 file, no more of it than its directory describes") {
    const Folder folder;
    const fs::path path = folder / "x.tsr";
    Tensor large(DType::INT32, {1, 1, 500, 700});
    std::iota(large.as<std::int32_t>(), large.as<std::int32_t>() + large.numel(), -9);
    for (const bool compress : {false, true}) {
        tsr::save(path, large, {Format::TSR4, compress});
        CHECK(bytes_of(tsr::load(path)) == bytes_of(large));
        // A hole of a TiB behind it.
        fs::resize_file(path, fs::file_size(path) + (std::uintmax_t{1} << 40));
        CHECK(refusal(path).clause == "T4-END-1");
        CHECK(bytes_of(tsr::load(path, {false})) == bytes_of(large));
    }
    const TensorView half(DType::INT32, {1, 1, 1, 350}, large.data());
    tsr::save(path, {half, large});
    Failure failure;
    CHECK_FALSE(tsr::load(path, failure));
    CHECK(failure.kind == Failure::Kind::Unsupported);
    CHECK(failure.found == "2");
}
