// Processes on Windows: see process.hpp. A job object ends a worker with all that it has started.
#include <windows.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include "directory.hpp"
#include "output.hpp"
#include "paths.hpp"
#include "process.hpp"
#include "tech_renaissance/utils/python_session.h"

namespace tr {

namespace {

using std::chrono::milliseconds;

// For how long the last words of a worker that has ended may be on their way.
constexpr milliseconds last_words(50);

// What a process that is ended by force exits with.
constexpr UINT killed_status = 1;

[[noreturn]] void raise(const std::string& what) {
    const std::error_code code(static_cast<int>(GetLastError()), std::system_category());
    throw WorkerStartError(what + ": " + code.message());
}

std::wstring wide(const std::string& text) {
    return path_of(text).wstring();
}

Descriptor held(HANDLE handle) {
    return Descriptor(reinterpret_cast<std::intptr_t>(handle));
}

// An argument as the C library of the worker splits the line again.
std::wstring quoted(const std::wstring& argument) {
    std::wstring line = L"\"";
    std::size_t slashes = 0;
    for (const wchar_t c : argument) {
        if (c == L'\\') {
            ++slashes;
            continue;
        }
        line.append(c == L'"' ? 2 * slashes + 1 : slashes, L'\\');
        slashes = 0;
        line += c;
    }
    line.append(2 * slashes, L'\\');
    return line + L"\"";
}

bool is_setting(const wchar_t* entry, const std::wstring& name) {
    return _wcsnicmp(entry, name.c_str(), name.size()) == 0 && entry[name.size()] == L'=';
}

// The environment of this process, and two settings for the worker.
std::wstring environment(const std::string& workspace) {
    const std::wstring names[] = {wide(workspace_variable), wide(client_pid_variable)};
    std::wstring block;
    wchar_t* all = GetEnvironmentStringsW();
    for (const wchar_t* entry = all; *entry != L'\0'; entry += wcslen(entry) + 1) {
        if (!is_setting(entry, names[0]) && !is_setting(entry, names[1])) {
            block.append(entry).push_back(L'\0');
        }
    }
    FreeEnvironmentStringsW(all);
    block.append(names[0] + L"=" + wide(workspace)).push_back(L'\0');
    block.append(names[1] + L"=" + std::to_wstring(GetCurrentProcessId())).push_back(L'\0');
    block.push_back(L'\0');
    return block;
}

// Which handles a process inherits: those three alone, whatever else is open.
class Inheritance {
public:
    explicit Inheritance(std::vector<HANDLE> handles) : handles_(std::move(handles)) {
        SIZE_T size = 0;
        InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
        memory_.resize(size);
        if (!InitializeProcThreadAttributeList(list(), 1, 0, &size)) raise("cannot start a worker");
        UpdateProcThreadAttribute(list(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, handles_.data(),
                                  handles_.size() * sizeof(HANDLE), nullptr, nullptr);
    }
    Inheritance(const Inheritance&) = delete;
    Inheritance& operator=(const Inheritance&) = delete;
    ~Inheritance() { DeleteProcThreadAttributeList(list()); }

    LPPROC_THREAD_ATTRIBUTE_LIST list() {
        return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
    }

private:
    std::vector<HANDLE> handles_;
    std::vector<char> memory_;
};

}  // namespace

struct Process::System {
    Descriptor process;
    Descriptor job;
    Descriptor pipe;
    mutable std::mutex ending;
    bool is_ended = false;
    std::optional<int> returncode;
    Output output;
    std::thread drainer;
    IsShown is_shown;

    bool is_running() const { return WaitForSingleObject(process.handle(), 0) == WAIT_TIMEOUT; }

    void drain() {
        std::vector<char> buffer(1U << 16);
        DWORD size = 0;
        while (ReadFile(pipe.handle(), buffer.data(), static_cast<DWORD>(buffer.size()), &size,
                        nullptr)) {
            output.add({buffer.data(), size});
            if (is_shown()) std::fwrite(buffer.data(), 1, size, stderr);
        }
        output.end();
    }
};

Process::Process(const std::string& script, const std::string& session_id,
                 const std::string& workspace, IsShown is_shown)
    : system_(std::make_unique<System>()) {
    System& system = *system_;
    system.is_shown = std::move(is_shown);
    const std::vector<std::string> arguments = worker_arguments(script, session_id);
    std::wstring line;
    for (const std::string& argument : arguments) {
        line += (line.empty() ? L"" : L" ") + quoted(wide(argument));
    }

    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, nullptr, TRUE};
    HANDLE ends[2] = {};
    if (!CreatePipe(&ends[0], &ends[1], &inheritable, 0)) raise("cannot read what it prints");
    system.pipe = held(ends[0]);
    const Descriptor printed = held(ends[1]);
    SetHandleInformation(ends[0], HANDLE_FLAG_INHERIT, 0);
    const Descriptor nothing = held(CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ, &inheritable,
                                                OPEN_EXISTING, 0, nullptr));

    // A job ends with its last handle, and so do the processes in it: with this client, at last.
    system.job = held(CreateJobObjectW(nullptr, nullptr));
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(system.job.handle(), JobObjectExtendedLimitInformation, &limits,
                            sizeof limits);

    Inheritance inheritance({nothing.handle(), printed.handle()});
    STARTUPINFOEXW startup = {};
    startup.StartupInfo.cb = sizeof startup;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = nothing.handle();
    startup.StartupInfo.hStdOutput = printed.handle();
    startup.StartupInfo.hStdError = printed.handle();
    startup.lpAttributeList = inheritance.list();
    std::wstring settings = environment(workspace);
    PROCESS_INFORMATION started = {};
    // Suspended until it is in the job: nothing it starts is outside.
    constexpr DWORD flags = CREATE_SUSPENDED | CREATE_UNICODE_ENVIRONMENT | CREATE_NO_WINDOW |
                            CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT;
    if (!CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, flags, settings.data(),
                        nullptr, &startup.StartupInfo, &started)) {
        raise("cannot start " + arguments[0]);
    }
    system.process = held(started.hProcess);
    const Descriptor thread = held(started.hThread);
    AssignProcessToJobObject(system.job.handle(), started.hProcess);
    ResumeThread(started.hThread);
    try {
        system.drainer = std::thread([&system] { system.drain(); });
    } catch (const std::system_error& error) {  // no more threads
        kill();
        throw WorkerStartError(std::string("cannot read what the worker prints: ") + error.what());
    }
}

Process::~Process() {
    kill();
    close();
}

std::intptr_t Process::descriptor() const noexcept {
    return reinterpret_cast<std::intptr_t>(system_->process.handle());
}

bool Process::is_alive() const {
    const std::lock_guard lock(system_->ending);
    return !system_->is_ended && system_->is_running();
}

std::optional<int> Process::returncode() const {
    const std::lock_guard lock(system_->ending);
    return system_->returncode;
}

std::string Process::tail() {
    return system_->output.tail(is_alive() ? milliseconds(0) : last_words);
}

bool Process::wait(std::optional<int> timeout_ms) {
    const DWORD limit = timeout_ms ? static_cast<DWORD>(std::max(*timeout_ms, 0)) : INFINITE;
    if (WaitForSingleObject(system_->process.handle(), limit) == WAIT_TIMEOUT) return false;
    kill();
    return true;
}

void Process::kill() noexcept {
    System& system = *system_;
    const std::lock_guard lock(system.ending);
    if (system.is_ended) return;
    TerminateJobObject(system.job.handle(), killed_status);
    TerminateProcess(system.process.handle(), killed_status);  // should it be in no job
    WaitForSingleObject(system.process.handle(), INFINITE);
    DWORD status = 0;
    if (GetExitCodeProcess(system.process.handle(), &status)) {
        system.returncode = static_cast<int>(status);
    }
    system.is_ended = true;
}

void Process::close() noexcept {
    // All in the job are gone, and with them the other ends of the pipe.
    if (system_->drainer.joinable()) system_->drainer.join();
}

void Process::disown() noexcept {}

}  // namespace tr
