// PythonSession: a client that starts a Python worker and drives it.
//
// Text goes as messages, tensors as .tsr files beside them. A worker that dies, and one that does
// not answer in time, are errors at once; an answer is never taken for that to another request.
// Raises the errors below, SystemError for what the system refuses, FormatError for a tensor whose
// file is broken.
#ifndef TECH_RENAISSANCE_UTILS_PYTHON_SESSION_H
#define TECH_RENAISSANCE_UTILS_PYTHON_SESSION_H

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tech_renaissance/exception.h"
#include "tech_renaissance/tensor.h"

namespace tr {

// The root of the errors of a session.
class SessionError : public TRException {
public:
    using TRException::TRException;
};

// Somebody else has the session, or it has a request that is not answered yet.
class SessionBusy : public SessionError {
public:
    using SessionError::SessionError;
};

// What was waited for did not come in time.
class SessionTimeout : public SessionError {
public:
    SessionTimeout(const std::string& what, int timeout_ms);

    int timeout_ms() const noexcept { return timeout_ms_; }

private:
    int timeout_ms_;
};

// The worker cannot be started: no script, no interpreter.
class WorkerStartError : public SessionError {
public:
    using SessionError::SessionError;
};

// The worker process has ended.
class WorkerDied : public SessionError {
public:
    WorkerDied(std::optional<int> returncode, const std::string& output);

    // Its exit status, or the negative number of the signal that killed it, where that is known.
    std::optional<int> returncode() const noexcept { return returncode_; }
    // The signal that killed it, where one did.
    std::optional<int> signal() const noexcept;
    // The last that it wrote to stdout and stderr.
    const std::string& output() const noexcept { return output_; }

private:
    std::optional<int> returncode_;
    std::string output_;
};

// The worker answered a request with an error.
class WorkerError : public SessionError {
public:
    WorkerError(const std::string& command, const std::string& message);

    // The command that failed.
    const std::string& command() const noexcept { return command_; }
    // Why: the traceback of an exception in the worker, for example.
    const std::string& message() const noexcept { return message_; }

private:
    std::string command_;
    std::string message_;
};

// A file that should hold a message holds something else, or a message cannot be one.
class MessageError : public SessionError {
public:
    using SessionError::SessionError;
};

// How far a request has come, in the worker's words.
struct Progress {
    double done;
    double total;
    std::string note;
};

// A session with a Python worker. Time-outs are in ms; 0 waits for ever, and what is less
// only looks. Threads may share a session: the fetch and calculate methods take turns. Text is
// UTF-8; lone surrogates, which Python's strings can carry, come and go as the three bytes that
// UTF-8 would give them.
//
// The end of the object is the end of the worker: it is asked to exit, and killed with all that
// it has started when it has not done so within two seconds, or at once when the object goes by
// an exception. Nothing outlives it but the tensors that it gave.
class PythonSession {
public:
    // script_path: the worker's script, which calls TechRenaissanceServer().run(sys.argv[1]); the
    //     default is a worker of the Python package tsr-codec that knows matmul, relu and others.
    // session_id: names the session's directory: 1 to 64 letters, digits, '_', '.', '-'. One
    //     client at a time has it.
    // quiet_mode: do not show on stderr what the worker prints.
    // workspace: where sessions live; by default TR_WORKSPACE in the environment, else a private
    //     folder in memory where there is room, else ./workspace.
    //
    // The interpreter is TR_PYTHON in the environment, else python3.
    explicit PythonSession(const std::string& script_path = "default",
                           const std::string& session_id = "default", bool quiet_mode = false,
                           const std::string& workspace = "");
    ~PythonSession();
    PythonSession(PythonSession&&) noexcept;
    PythonSession& operator=(PythonSession&&) noexcept;

    // ---------------------------------------------------------- the process

    // Starts the worker. Raises SessionBusy where it runs already or another client has the
    // session, WorkerStartError where there is no such script.
    void start();
    // Ends the worker at once, starts another one and waits until it is ready.
    void restart(int timeout_ms = 10000);
    bool is_alive() const;
    // Asks the worker to exit, and waits until it has; with `ensure`, ends it when the time is
    // over. Tells whether it has ended. What is left of the session is removed then.
    bool please_exit(int timeout_ms = 5000, bool ensure = true);
    // Ends the worker and its children at once, and removes what is left of the session. Any
    // thread may do it: a wait of another one raises WorkerDied then.
    void terminate();
    // Waits until the worker process has ended; tells whether it has.
    bool join(int timeout_ms = 0);

    // ---------------------------------------------------------- state

    const std::string& session_id() const noexcept;
    std::string session_dir() const;
    void set_quiet_mode(bool quiet_mode);
    // Whether the worker waits for a request.
    bool is_ready();
    // Whether the worker has a request that it has not answered yet.
    bool is_busy();
    // Waits until the worker has started and takes requests; true, or SessionTimeout or
    // WorkerDied.
    bool wait_until_ready(int timeout_ms = 10000);
    // Waits until the worker is done with what it was sent; tells whether that went well.
    bool wait_until_ok(int timeout_ms = 10000);
    // Whether the response to the last request is there.
    bool new_response();
    // The last that the worker reported of the request it works on.
    std::optional<Progress> progress();
    // Have this called when the worker reports progress while this client waits.
    void on_progress(std::function<void(const Progress&)> callback);

    // ---------------------------------------------------------- text

    // Sends a request: a command, and its parameters behind a space. Raises SessionBusy where the
    // last one is not answered yet; one whose time is over is given up instead.
    void send_request(const std::string& message);
    // The text of the response, if it is there.
    std::optional<std::string> read_response();
    // Waits for the response to the last request; "ok" where the worker said nothing. Raises
    // SessionTimeout, after which it may be waited for again, WorkerDied, and WorkerError where
    // the worker could not do it.
    std::string wait_for_response(int timeout_ms = 5000);
    // Sends a request and waits for its response, which is nobody's once the time is over.
    std::string fetch_response(const std::string& message, int timeout_ms = 5000);

    // ---------------------------------------------------------- tensors

    // Sends a tensor for requests to name by its tag: a name as that of a session. What was sent
    // under it before is replaced.
    void send_tensor(const Tensor& tensor, const std::string& tag);
    // Waits for the tensor of the response to the last request. Raises as wait_for_response, and
    // WorkerError where the worker sent none; where it sent several, which wait_for_tensors takes.
    Tensor wait_for_tensor(int timeout_ms = 10000);
    // The same for all its tensors, of which there is at least one.
    std::vector<Tensor> wait_for_tensors(int timeout_ms = 10000);
    // Sends a request and waits for its tensors, which are nobody's once the time is over.
    Tensor fetch_tensor(const std::string& message, int timeout_ms = 10000);
    std::vector<Tensor> fetch_tensors(const std::string& message, int timeout_ms = 10000);
    // Sends tensors and a command on them, and waits for the result.
    Tensor calculate(const std::string& command, int timeout_ms = 10000);
    Tensor calculate(const std::string& command, const Tensor& a, int timeout_ms = 10000);
    Tensor calculate(const std::string& command, const Tensor& a, const Tensor& b,
                     int timeout_ms = 10000);
    Tensor calculate(const std::string& command, const Tensor& a, const Tensor& b, const Tensor& c,
                     int timeout_ms = 10000);
    Tensor calculate(const std::string& command, const std::vector<Tensor>& tensors,
                     int timeout_ms = 10000);
    // The same for all tensors of the result.
    std::vector<Tensor> calculate_all(const std::string& command,
                                      const std::vector<Tensor>& tensors, int timeout_ms = 10000);

private:
    class Client;

    std::unique_ptr<Client> client_;
    int exceptions_;
};

}  // namespace tr

#endif
