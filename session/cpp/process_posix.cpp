// Processes on POSIX systems: see process.hpp.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>

#include "directory.hpp"
#include "output.hpp"
#include "process.hpp"
#include "tech_renaissance/utils/python_session.h"

extern char** environ;

namespace tr {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Where the system does not tell of an end, look this often.
constexpr int look_ms = 50;

// For how long the last words of a worker that has ended may be on their way; a grandchild may
// hold the pipe open for ever.
constexpr milliseconds last_words(50);

// A pipe can hold this many times what is read of it at once.
constexpr int last_reads = 16;

struct Pipe {
    Descriptor read;
    Descriptor write;
};

[[noreturn]] void raise(const std::string& what, int error) {
    throw WorkerStartError(what + ": " + std::strerror(error));
}

Pipe make_pipe() {
    int ends[2];
#ifdef __linux__
    if (pipe2(ends, O_CLOEXEC) != 0) raise("cannot read what the worker prints", errno);
#else
    if (pipe(ends) != 0) raise("cannot read what the worker prints", errno);
    for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
#endif
    return {Descriptor(ends[0]), Descriptor(ends[1])};
}

// What is readable once a process has ended, where the system has such a thing.
Descriptor open_pidfd([[maybe_unused]] pid_t process) {
#ifdef SYS_pidfd_open
    const long descriptor = syscall(SYS_pidfd_open, process, 0);
    if (descriptor >= 0) return Descriptor(descriptor);
#endif
    return {};
}

bool is_setting(const char* entry, const char* name) {
    const std::size_t length = std::strlen(name);
    return std::strncmp(entry, name, length) == 0 && entry[length] == '=';
}

std::vector<std::string> environment(const std::string& workspace) {
    std::vector<std::string> settings;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        if (!is_setting(*entry, workspace_variable) && !is_setting(*entry, client_pid_variable)) {
            settings.emplace_back(*entry);
        }
    }
    settings.push_back(std::string(workspace_variable) + "=" + workspace);
    settings.push_back(std::string(client_pid_variable) + "=" + std::to_string(getpid()));
    return settings;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    for (std::string& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

// While there is one, this thread gets no signals, and a thread that it starts never does. They are
// for the program's threads; and to write to a stderr that nobody reads is no reason to end.
class NoSignals {
public:
    NoSignals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    NoSignals(const NoSignals&) = delete;
    NoSignals& operator=(const NoSignals&) = delete;
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

// What a process is to be when it starts.
class Setup {
public:
    explicit Setup(const Descriptor& output) {
        posix_spawn_file_actions_init(&actions_);
        posix_spawnattr_init(&attributes_);
        // In this order: where the client has closed its own, the pipe may be one of the three.
        check(posix_spawn_file_actions_adddup2(&actions_, output.get(), 1));
        check(posix_spawn_file_actions_adddup2(&actions_, output.get(), 2));
        check(posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0));
        // Whatever the client has done with its signals, the worker starts with those of a shell.
        sigset_t signals;
        sigemptyset(&signals);
        check(posix_spawnattr_setsigmask(&attributes_, &signals));
        for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGHUP, SIGQUIT}) {
            sigaddset(&signals, number);
        }
        check(posix_spawnattr_setsigdefault(&attributes_, &signals));
        short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#ifdef POSIX_SPAWN_SETSID
        flags |= POSIX_SPAWN_SETSID;
#else
        flags |= POSIX_SPAWN_SETPGROUP;
        check(posix_spawnattr_setpgroup(&attributes_, 0));
#endif
        check(posix_spawnattr_setflags(&attributes_, flags));
    }
    Setup(const Setup&) = delete;
    Setup& operator=(const Setup&) = delete;
    ~Setup() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&actions_);
    }

    pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> settings) const {
        pid_t process = 0;
        const int error = posix_spawnp(&process, arguments[0].c_str(), &actions_, &attributes_,
                                       pointers_to(arguments).data(), pointers_to(settings).data());
        if (error != 0) raise("cannot start " + arguments[0], error);
        return process;
    }

private:
    static void check(int error) {
        if (error != 0) raise("cannot start a worker", error);
    }

    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

// Writes to stderr what fits there, and waits for room: until told to stop, for nobody may read it.
void show(std::string_view text, const Descriptor& stop) {
    while (!text.empty()) {
        pollfd waits[] = {{fileno(stderr), POLLOUT, 0}, {stop.get(), POLLIN, 0}};
        if (waits[0].fd < 0) return;
        if (poll(waits, 2, -1) < 0) {
            if (errno == EINTR) continue;
            return;
        }
        if (waits[0].revents == 0) return;
        // What is writable takes as much at once.
        const std::size_t size = std::min<std::size_t>(text.size(), PIPE_BUF);
        if (std::fwrite(text.data(), 1, size, stderr) < size) return;
        text.remove_prefix(size);
    }
}

// Whatever happens, reads on until the end or until told to stop: a full pipe would stop the
// worker. What is there by then is read all the same, as much as a pipe can hold.
void drain(const Descriptor& pipe, const Descriptor& stop, std::vector<char>& buffer,
           Output& output, const IsShown& is_shown) {
    pollfd waits[] = {{pipe.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}};
    bool is_stopped = false;
    for (int left = last_reads; left > 0; left -= is_stopped) {
        if (!is_stopped) {
            poll(waits, 2, -1);
            is_stopped = waits[1].revents != 0;
        }
        const ssize_t size = read(pipe.get(), buffer.data(), buffer.size());
        if (size > 0) {
            const std::string_view chunk(buffer.data(), static_cast<std::size_t>(size));
            output.add(chunk);
            if (is_shown()) show(chunk, stop);
        } else if (size == 0 || (errno == EAGAIN && is_stopped)) {
            break;
        } else if (errno != EAGAIN && errno != EINTR) {
            break;
        }
    }
    output.end();
}

}  // namespace

struct Process::System {
    // Whether it runs. One that has ended keeps its number until `kill` has ended its group, too.
    bool is_running() {
        if (is_reaped) return false;
        siginfo_t info = {};
        while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
            if (errno == EINTR) continue;
            // Somebody else has waited for it. What it has left behind is ended now or never: its
            // number is free once its group is empty, and is another's where a process has it.
            is_reaped = true;
            if (::kill(pid, 0) != 0 && errno == ESRCH) killpg(pid, SIGKILL);
            return false;
        }
        return info.si_pid == 0;
    }

    pid_t pid = 0;
    Descriptor pidfd;
    std::mutex ending;
    bool is_reaped = false;
    std::optional<int> returncode;
    Pipe stop;
    Descriptor pipe;
    // Not the thread's own: a forked child has no such thread.
    std::vector<char> buffer = std::vector<char>(1U << 16);
    Output output;
    std::thread drainer;
    IsShown is_shown;
};

Process::Process(const std::string& script, const std::string& session_id,
                 const std::string& workspace, IsShown is_shown)
    : system_(std::make_unique<System>()) {
    System& system = *system_;
    system.is_shown = std::move(is_shown);
    system.stop = make_pipe();
    Pipe printed = make_pipe();
    // The end that this process reads never blocks.
    fcntl(printed.read.get(), F_SETFL, O_NONBLOCK);
    system.pid =
        Setup(printed.write).spawn(worker_arguments(script, session_id), environment(workspace));
    system.pipe = std::move(printed.read);
    printed.write.close();
    system.pidfd = open_pidfd(system.pid);
    try {
        const NoSignals blocked;
        system.drainer = std::thread([&system] {
            drain(system.pipe, system.stop.read, system.buffer, system.output, system.is_shown);
        });
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
    return system_->pidfd ? system_->pidfd.get() : -1;
}

bool Process::is_alive() const {
    const std::lock_guard lock(system_->ending);
    return system_->is_running();
}

std::optional<int> Process::returncode() const {
    const std::lock_guard lock(system_->ending);
    return system_->returncode;
}

std::string Process::tail() {
    return system_->output.tail(is_alive() ? milliseconds(0) : last_words);
}

bool Process::wait(std::optional<int> timeout_ms) {
    const auto deadline = steady_clock::now() + milliseconds(timeout_ms.value_or(0));
    while (is_alive()) {
        milliseconds left(look_ms);
        if (timeout_ms) {
            // Rounded up, or the last ms would be spent looking.
            left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
            if (left.count() <= 0) return false;
        }
        pollfd ended = {system_->pidfd ? system_->pidfd.get() : -1, POLLIN, 0};
        poll(&ended, 1, static_cast<int>(std::min<std::int64_t>(left.count(), look_ms)));
    }
    kill();
    return true;
}

void Process::kill() noexcept {
    System& system = *system_;
    const std::lock_guard lock(system.ending);
    system.is_running();
    if (system.is_reaped) return;
    killpg(system.pid, SIGKILL);
    int status = 0;
    pid_t result = 0;
    do {
        result = waitpid(system.pid, &status, 0);
    } while (result < 0 && errno == EINTR);
    system.is_reaped = true;
    if (result == system.pid) {
        system.returncode = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    }
}

void Process::close() noexcept {
    if (!system_->drainer.joinable()) return;
    // The end of the pipe would not do: a process that another thread forked while this one started
    // the worker may have it, too.
    const char stop = 0;
    while (write(system_->stop.write.get(), &stop, 1) < 0 && errno == EINTR) continue;
    system_->drainer.join();
}

void Process::disown() noexcept {
    // The thread is the parent's.
    system_->pidfd.close();
    system_->pipe.close();
    system_->stop.read.close();
    system_->stop.write.close();
}

}  // namespace tr
