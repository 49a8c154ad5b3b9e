// Start a worker process, know when it ends, and end it with all its children.
//
// The worker leads a process group of its own. What it and its children print is drained by a
// thread, which keeps the last of it. Raises WorkerStartError.
#ifndef TR_SESSION_PROCESS_HPP
#define TR_SESSION_PROCESS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tr {

// Tells a worker who its client is, so that it ends with it.
constexpr const char* client_pid_variable = "TR_CLIENT_PID";
constexpr const char* workspace_variable = "TR_WORKSPACE";

// Whether what the worker prints is shown on stderr; asked in another thread. It must not raise.
using IsShown = std::function<bool()>;

class Process {
public:
    // script: the Python script to run; "default" is the worker of the Python package.
    // session_id: its argument.
    // workspace: where it finds its session.
    Process(const std::string& script, const std::string& session_id, const std::string& workspace,
            IsShown is_shown);
    // Ends it.
    ~Process();

    // What a wait can be for: readable once the process has ended; -1 where there is no such
    // thing.
    std::intptr_t descriptor() const noexcept;
    bool is_alive() const;
    // Its exit status, or the negative number of its signal; nothing before `kill`.
    std::optional<int> returncode() const;
    // The last of what it printed.
    std::string tail();
    // Waits until the process has ended, at most so many ms; tells whether it has.
    bool wait(std::optional<int> timeout_ms);
    // Ends the process and all that it started, at once.
    void kill() noexcept;
    // Lets go of what it prints: nothing of it is shown any more.
    void close() noexcept;
    // For a forked child, which never destroys this: it is not its child.
    void disown() noexcept;

private:
    struct System;

    std::unique_ptr<System> system_;
};

// The interpreter: TR_PYTHON in the environment, else python3.
std::string interpreter();

// What it is called with. Raises WorkerStartError where there is no such script.
std::vector<std::string> worker_arguments(const std::string& script, const std::string& session_id);

}  // namespace tr

#endif
