// A directory on Windows: see directory.hpp. Its lock is that of LockFileEx.
//
// A folder has the rights of the one that it is made in: that of a user is the user's alone.
#include <windows.h>

#include <algorithm>
#include <filesystem>

#include "directory.hpp"
#include "paths.hpp"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace {

// Somebody may have a file open for as long as it takes to read or scan it: then try again.
constexpr int attempts = 50;
constexpr DWORD attempt_ms = 4;

constexpr DWORD share_all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

[[noreturn]] void raise(const std::string& what, DWORD error = GetLastError()) {
    throw SystemError(what, {static_cast<int>(error), std::system_category()});
}

bool is_absence(DWORD error) {
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
}

bool is_in_use(DWORD error) {
    return error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED ||
           error == ERROR_LOCK_VIOLATION;
}

std::wstring wide(const std::string& path) {
    return path_of(path).wstring();
}

// Does something until it succeeds or fails for another reason than that a file is in use.
template <class Action>
bool insist(Action action) {
    for (int i = 0; i < attempts; ++i) {
        if (action()) return true;
        if (!is_in_use(GetLastError())) return false;
        Sleep(attempt_ms);
    }
    return false;
}

Descriptor open_file(const std::string& path, DWORD access, DWORD disposition) {
    HANDLE handle = INVALID_HANDLE_VALUE;
    insist([&] {
        handle = CreateFileW(wide(path).c_str(), access, share_all, nullptr, disposition,
                             FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr);
        return handle != INVALID_HANDLE_VALUE;
    });
    return Descriptor(reinterpret_cast<std::intptr_t>(handle));
}

}  // namespace

// ------------------------------------------------------------------ descriptors

Descriptor::Descriptor(std::intptr_t number) noexcept : number_(number) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        close();
        number_ = other.release();
    }
    return *this;
}

std::intptr_t Descriptor::release() noexcept {
    const std::intptr_t number = number_;
    number_ = none;
    return number;
}

void Descriptor::close() noexcept {
    if (*this) CloseHandle(reinterpret_cast<HANDLE>(release()));
}

// ------------------------------------------------------------------ the directory

Directory::Directory(const std::string& path) : path_(path) {
    std::error_code code;
    std::filesystem::create_directories(path_of(path), code);
    if (code) throw SystemError(path, code);
}

Directory::Lock Directory::lock(const std::string& name) {
    const std::string path = path_ + "/" + name;
    Descriptor file = open_file(path, GENERIC_READ | GENERIC_WRITE, OPEN_ALWAYS);
    if (!file) {
        if (is_absence(GetLastError())) return Lock::Gone;
        raise(path);
    }
    OVERLAPPED start = {};
    if (!LockFileEx(file.handle(), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
                    &start)) {
        if (GetLastError() == ERROR_LOCK_VIOLATION) return Lock::Busy;
        raise(path);
    }
    lock_ = std::move(file);
    return Lock::Taken;
}

void Directory::reclaim() {}

std::vector<std::string> Directory::list() const {
    std::vector<std::string> names;
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(path_of(path_), code)) {
        names.push_back(utf8_of(entry.path().filename()));
    }
    return names;
}

bool Directory::remove_itself() {
    unlock();  // a file that is open stays
    remove(".lock");
    if (RemoveDirectoryW(wide(path_).c_str())) return true;
    if (is_absence(GetLastError())) return true;
    if (GetLastError() == ERROR_DIR_NOT_EMPTY) return false;
    raise(path_);
}

void Directory::disown() noexcept {
    lock_.close();
}

// ------------------------------------------------------------------ files

bool Directory::create(const std::string& name, std::initializer_list<std::string_view> parts) {
    const std::string path = path_ + "/" + name;
    const Descriptor file = open_file(path, GENERIC_WRITE, CREATE_NEW);
    if (!file) {
        if (is_absence(GetLastError())) return false;
        raise(path);
    }
    for (std::string_view part : parts) {
        while (!part.empty()) {
            constexpr std::size_t most = std::size_t{1} << 30;
            DWORD written = 0;
            if (!WriteFile(file.handle(), part.data(),
                           static_cast<DWORD>(std::min(part.size(), most)), &written, nullptr)) {
                const DWORD error = GetLastError();
                remove(name);
                raise(path, error);
            }
            part.remove_prefix(written);
        }
    }
    return true;
}

bool Directory::rename(const std::string& name, const std::string& to) {
    const std::wstring from = wide(path_ + "/" + name);
    const std::wstring target = wide(path_ + "/" + to);
    if (insist(
            [&] { return MoveFileExW(from.c_str(), target.c_str(), MOVEFILE_REPLACE_EXISTING); })) {
        return true;
    }
    if (is_absence(GetLastError())) return false;
    raise(path_ + "/" + name);
}

bool Directory::remove(const std::string& name) {
    const std::filesystem::path path = path_of(path_ + "/" + name);
    if (insist([&] { return DeleteFileW(path.c_str()); })) return true;
    if (is_absence(GetLastError())) return false;
    std::error_code code;
    if (std::filesystem::remove_all(path, code) > 0 && !code) return true;
    throw SystemError(path_ + "/" + name, code);
}

bool Directory::link(const std::string& name, const std::string& to) {
    const std::wstring from = wide(path_ + "/" + name);
    const std::wstring target = wide(path_ + "/" + to);
    if (CreateHardLinkW(target.c_str(), from.c_str(), nullptr)) return true;
    if (GetLastError() == ERROR_ALREADY_EXISTS) return false;
    if (is_absence(GetLastError())) {
        throw SessionError(path_ + ": the directory of the session is gone");
    }
    // Not every file system has links.
    if (MoveFileExW(from.c_str(), target.c_str(), 0)) return true;
    if (GetLastError() == ERROR_ALREADY_EXISTS || GetLastError() == ERROR_FILE_EXISTS) return false;
    raise(path_ + "/" + name);
}

bool Directory::has(const std::string& name) const {
    return GetFileAttributesW(wide(path_ + "/" + name).c_str()) != INVALID_FILE_ATTRIBUTES;
}

std::optional<OpenFile> Directory::open(const std::string& name, const std::string& shown, bool) {
    const std::string path = path_ + "/" + name;
    const DWORD attributes = GetFileAttributesW(wide(path).c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) return {};
    if ((attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) != 0) {
        remove(name);
        throw MessageError(shown + ": no regular file");
    }
    OpenFile file;
    file.descriptor = open_file(path, GENERIC_READ, OPEN_EXISTING);
    if (!file.descriptor) {
        if (is_absence(GetLastError())) return {};
        raise(path_ + "/" + shown);
    }
    LARGE_INTEGER size = {};
    if (!GetFileSizeEx(file.descriptor.handle(), &size)) raise(path_ + "/" + shown);
    file.size = static_cast<std::uint64_t>(size.QuadPart);
    return file;
}

std::optional<std::string> Directory::read(const std::string& name, const std::string& shown,
                                           std::size_t most) {
    std::optional<OpenFile> file = open(name, shown);
    if (!file) return {};
    if (file->size > most) {
        file->descriptor.close();
        remove(name);
        throw MessageError(shown + ": more than " + std::to_string(most) +
                           " bytes, the most of a message");
    }
    std::string data(static_cast<std::size_t>(file->size), '\0');
    data.resize(read_bytes(file->descriptor, data.data(), data.size(), shown));
    return data;
}

std::size_t read_bytes(const Descriptor& file, void* data, std::size_t size,
                       const std::string& shown) {
    std::size_t done = 0;
    while (done < size) {
        constexpr std::size_t most = std::size_t{1} << 30;
        DWORD read = 0;
        if (!ReadFile(file.handle(), static_cast<char*>(data) + done,
                      static_cast<DWORD>(std::min(size - done, most)), &read, nullptr)) {
            raise(shown);
        }
        if (read == 0) break;
        done += read;
    }
    return done;
}

std::optional<std::string> memory_folder() {
    return {};
}

}  // namespace tr
