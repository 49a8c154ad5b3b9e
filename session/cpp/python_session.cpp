// PythonSession: see tech_renaissance/utils/python_session.h.
#include "tech_renaissance/utils/python_session.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <random>
#include <utility>

#include "connection.hpp"
#include "mailbox.hpp"
#include "message.hpp"
#include "paths.hpp"
#include "space.hpp"

namespace tr {

namespace {

using Turn = std::unique_lock<std::recursive_mutex>;

// How long a worker that was asked to exit may take when the client goes.
constexpr int exit_ms = 2000;

std::int64_t now() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// Tells the requests of one start from those of another.
std::string make_token() {
    constexpr std::string_view digits = "0123456789abcdef";
    std::random_device random;
    std::string token;
    for (int i = 0; i < 8; ++i) token += digits[random() % digits.size()];
    return token;
}

std::optional<int> for_ever_at_0(int timeout_ms) {
    return timeout_ms != 0 ? std::optional(timeout_ms) : std::nullopt;
}

std::string how_it_ended(std::optional<int> returncode) {
    if (!returncode) return "is gone";
    if (*returncode < 0) return "was killed by signal " + std::to_string(-*returncode);
    return "exited with status " + std::to_string(*returncode);
}

std::string what_it_wrote(const std::string& output) {
    const std::string_view text = strip_end(output);
    return text.empty() ? "" : "; the last it wrote:\n" + std::string(text);
}

std::vector<Tensor> several(std::initializer_list<Tensor> tensors) {
    return tensors;
}

}  // namespace

// ------------------------------------------------------------------ errors

SessionTimeout::SessionTimeout(const std::string& what, int timeout_ms)
    : SessionError(what + ": did not come within " + std::to_string(timeout_ms) + " ms"),
      timeout_ms_(timeout_ms) {}

WorkerDied::WorkerDied(std::optional<int> returncode, const std::string& output)
    : SessionError("the worker " + how_it_ended(returncode) + what_it_wrote(output)),
      returncode_(returncode),
      output_(output) {}

std::optional<int> WorkerDied::signal() const noexcept {
    if (returncode_ && *returncode_ < 0) return -*returncode_;
    return {};
}

WorkerError::WorkerError(const std::string& command, const std::string& message)
    : SessionError("the worker could not do '" + command + "': " + message),
      command_(command),
      message_(message) {}

// ------------------------------------------------------------------ what a session is

class PythonSession::Client {
public:
    Client(const std::string& script, const std::string& session_id, bool is_quiet,
           const std::string& workspace)
        : script_(script),
          session_id_(check_name("session id", session_id)),
          workspace_(utf8_of(std::filesystem::absolute(
                                 path_of(workspace.empty() ? default_workspace() : workspace))
                                 .lexically_normal())),
          connection_(is_quiet) {}

    const std::string& session_id() const noexcept { return session_id_; }
    std::string session_dir() const { return session_path(workspace_, session_id_); }
    Connection& connection() noexcept { return connection_; }

    // -------------------------------------------------------------- the process

    void start() {
        const Turn turn(connection_.turn());
        if (is_alive()) {
            throw SessionBusy("session '" + session_id_ + "': the worker runs already");
        }
        forget();
        connection_.end();
        connection_.start(script_, session_id_, workspace_);
        whose_ = Whose::Unknown;
        token_ = make_token();
    }

    bool is_alive() const {
        const std::shared_ptr<Process> process = connection_.process();
        return process && process->is_alive();
    }

    bool please_exit(int timeout_ms, bool ensure) {
        const std::shared_ptr<Process> process = connection_.process();
        if (process && process->is_alive()) {
            ask_to_exit();
            if (!process->wait(for_ever_at_0(timeout_ms)) && !ensure) return false;
        }
        end();
        return true;
    }

    void end() {
        const std::shared_ptr<Process> process = connection_.process();
        if (process) process->kill();  // which ends the waits of other threads
        const Turn turn(connection_.turn());
        forget();
        connection_.end();
    }

    // -------------------------------------------------------------- state

    bool is_ready() {
        const Turn turn(connection_.turn(), std::try_to_lock);
        if (!turn || !is_alive() || pending_) return false;
        const std::optional<std::string> status = this->status();
        return status && !status->empty() && *status != "busy" && *status != "exiting";
    }

    bool is_busy() {
        if (!is_alive()) return false;
        const Turn turn(connection_.turn(), std::try_to_lock);
        // Another thread has a request under way, and takes the response.
        if (!turn) return true;
        return pending_ && !look();
    }

    void wait_until_ready(int timeout_ms) {
        const Turn turn(connection_.turn());
        connection_.wait([this] { return has_said_a_word(); }, timeout_ms, "the worker's start");
    }

    bool wait_until_ok(int timeout_ms) {
        const Turn turn(connection_.turn());
        std::optional<std::string> found;
        const auto is_done = [&] {
            found = status();
            return found && *found != "busy" && !(pending_ && !look());
        };
        connection_.wait(is_done, timeout_ms, "the worker's work");
        return found->rfind("error", 0) != 0;
    }

    bool new_response() {
        const Turn turn(connection_.turn(), std::try_to_lock);
        return turn && look();
    }

    std::optional<Progress> progress() {
        // Of a request that another thread waits for, too.
        try {
            const std::optional<std::string> data = connection_.mailbox()->read(file::progress);
            const std::optional<Report> report = data ? decode_report(*data) : std::nullopt;
            const std::lock_guard lock(identifying_);
            if (report && !id_.empty() && report->id == id_) return report->progress;
        } catch (const SessionError&) {  // there is none
        }
        return {};
    }

    void on_progress(std::function<void(const Progress&)> callback) {
        const Turn turn(connection_.turn());
        on_progress_ = std::move(callback);
    }

    // -------------------------------------------------------------- messages

    void send_request(const std::string& message) {
        Request request = split_request(message);
        if (request.command.empty()) {
            throw SessionError("request: got '" + message + "', expected a command");
        }
        const Turn turn(connection_.turn());
        connection_.check();
        look();
        if (is_overdue_) forget();
        if (pending_) {
            throw SessionBusy("session '" + session_id_ + "': '" + pending_->command +
                              "' is not answered yet");
        }
        if (whose_ == Whose::Unknown) has_said_a_word();
        request.id = token_ + "-" + std::to_string(++serial_);
        forget();
        set_pending(std::move(request));
        is_posted_ = false;
        try {
            post();
        } catch (...) {
            forget();
            throw;
        }
    }

    std::optional<std::string> read_response() {
        const Turn turn(connection_.turn(), std::try_to_lock);
        if (!turn || !look()) return {};
        return text_of(take_response(1));
    }

    std::string wait_for_response(int timeout_ms) {
        const Turn turn(connection_.turn());
        return text_of(take_response(timeout_ms));
    }

    std::string fetch_response(const std::string& message, int timeout_ms) {
        const Exchange exchange(*this);
        send_request(message);
        return wait_for_response(timeout_ms);
    }

    // -------------------------------------------------------------- tensors

    void send_tensor(const Tensor& tensor, const std::string& tag) {
        check_name("tag", tag);
        const Turn turn(connection_.turn());
        connection_.check();
        connection_.mailbox()->put_tensor(tag, tensor);
    }

    std::vector<Tensor> wait_for_tensors(int timeout_ms, bool is_one) {
        const Turn turn(connection_.turn());
        wait(timeout_ms);
        if (is_one && answered_->tensors.size() > 1) {
            throw WorkerError(answered_->command, "it answered " +
                                                      std::to_string(answered_->tensors.size()) +
                                                      " tensors, which wait_for_tensors takes");
        }
        const Response response = take_response(timeout_ms);
        text_of(response);
        std::vector<Tensor> tensors = tensors_of(response);
        if (tensors.empty()) {
            throw WorkerError(response.command, "it answered '" + response.result + "', no tensor");
        }
        return tensors;
    }

    std::vector<Tensor> fetch_tensors(const std::string& message, int timeout_ms, bool is_one) {
        const Exchange exchange(*this);
        send_request(message);
        return wait_for_tensors(timeout_ms, is_one);
    }

    std::vector<Tensor> calculate(const std::string& command, const std::vector<Tensor>& tensors,
                                  int timeout_ms, bool is_one) {
        const Exchange exchange(*this);
        // Under tags of their own: a worker that is late with a request would take the next one's.
        const std::string prefix = "t" + std::to_string(++serial_) + "_";
        std::string message = command;
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            tags_.push_back(prefix + std::to_string(i));
            send_tensor(tensors[i], tags_.back());
            message += " " + tags_.back();
        }
        send_request(message);
        return wait_for_tensors(timeout_ms, is_one);
    }

private:
    // A request and what answers it, as one: nothing is left for the next to find.
    class Exchange {
    public:
        explicit Exchange(Client& client)
            : client_(client),
              turn_(client.connection_.turn()),
              before_(client.id_),
              was_answered_(client.answered_),
              exceptions_(std::uncaught_exceptions()) {
            tags_.swap(client_.tags_);
        }
        Exchange(const Exchange&) = delete;
        Exchange& operator=(const Exchange&) = delete;
        ~Exchange() {
            const bool is_new = client_.id_ != before_ || (client_.answered_ && !was_answered_);
            if (is_new && std::uncaught_exceptions() > exceptions_) client_.forget();
            client_.discard();
            tags_.swap(client_.tags_);
        }

    private:
        Client& client_;
        const Turn turn_;
        const std::string before_;
        const bool was_answered_;
        const int exceptions_;
        std::vector<std::string> tags_;
    };

    void ask_to_exit() {
        try {
            const std::shared_ptr<Mailbox> mailbox = connection_.mailbox();
            if (whose_ == Whose::Original && mailbox->has(file::request)) {
                // With the request it works on it would remove this one.
                mailbox->put(file::status, "exit");
            } else {
                mailbox->put(file::request, encode(*mailbox, {"exit", "", ""}));
            }
        } catch (const TRException&) {  // it is ended by other means
        }
    }

    // What of its tensors a request was answered without, or is not waited for any more. The
    // original's worker removes them itself, and ends where one is missing.
    void discard() noexcept {
        if (whose_ != Whose::Original) {
            try {
                for (const std::string& tag : tags_) connection_.mailbox()->remove_tensor(tag);
            } catch (const TRException&) {  // there is no worker any more
            }
        }
        tags_.clear();
    }

    void wait(int timeout_ms) {
        if (!pending_ && !answered_) throw SessionError("there is no request to wait for");
        if (answered_) return;
        try {
            connection_.wait([this] { return look() || !pending_; }, timeout_ms,
                             "the response to '" + pending_->command + "'");
        } catch (const SessionTimeout&) {
            is_overdue_ = true;
            throw;
        }
        if (!answered_) throw SessionError("there is no request to wait for any more");
    }

    // That to the last request, once.
    Response take_response(int timeout_ms) {
        wait(timeout_ms);
        Response response = std::move(*answered_);
        answered_.reset();
        return response;
    }

    // Looks for the response to the pending request, and drops those that came too late.
    bool look() {
        if (!pending_ || answered_ || !post()) return answered_.has_value();
        report();
        if (!pending_) return answered_.has_value();  // the callback has ended it, or taken it
        const std::shared_ptr<Mailbox> mailbox = connection_.mailbox();
        std::optional<std::string> data = mailbox->read(file::response);
        while (data) {
            Response response;
            try {
                response = decode_response(*data);
            } catch (const MessageError&) {
                mailbox->remove(file::response);
                throw;
            }
            // An id is optional; a response with neither it nor a command is to what is no
            // request.
            const bool is_free = response.is_original ||
                                 (!response.command.empty() && response.id.empty());
            if (is_free || response.id == pending_->id) {
                // None can have taken its place: no request came after it.
                mailbox->remove(file::response);
                if (response.is_original && whose_ != Whose::Original) learn(true);
                set_pending({});
                answered_ = std::move(response);
                return true;
            }
            data = mailbox->take(file::response);  // by now it may be another one
        }
        return false;
    }

    // Puts the pending request where the worker finds it; tells whether it is there.
    bool post() {
        if (!pending_ || is_posted_) return true;
        const std::shared_ptr<Mailbox> mailbox = connection_.mailbox();
        if (whose_ == Whose::Original) {
            // It removes a request once it has answered it, whichever is there by then. So it has
            // to be free; and without ids, what it has answered until then is somebody else's.
            const bool is_free = !mailbox->has(file::request);
            mailbox->take(file::response);
            if (!is_free) return false;
        }
        mailbox->put(file::request, encode(*mailbox, *pending_));
        is_posted_ = true;
        return true;
    }

    std::string encode(const Mailbox& mailbox, const Request& request) const {
        std::optional<std::string> params;
        if (whose_ != Whose::Ours) {
            // Of tensors it splits the names at commas only.
            std::string joined;
            bool are_tensors = true;
            for (const std::string& name : split_names(request.parameters)) {
                are_tensors = are_tensors && mailbox.has_tensor(name);
                joined += (joined.empty() ? "" : ",") + name;
            }
            params = are_tensors ? joined : request.parameters;
        }
        std::string data = encode_request(request, now(), params);
        if (data.size() > message_max) {
            throw MessageError("a request of " + std::to_string(data.size()) + " bytes, expected " +
                               std::to_string(message_max) + " at most");
        }
        return data;
    }

    void report() {
        if (!on_progress_) return;
        const std::optional<Progress> now = progress();
        if (!now || (reported_ && reported_->done == now->done && reported_->total == now->total &&
                     reported_->note == now->note)) {
            return;
        }
        reported_ = now;
        const auto callback = on_progress_;  // which may set another one
        callback(*now);
    }

    void set_pending(std::optional<Request> request) {
        pending_ = std::move(request);
        const std::lock_guard lock(identifying_);
        id_ = pending_ ? pending_->id : "";
    }

    void forget() {
        set_pending({});
        answered_.reset();
        reported_.reset();
        is_overdue_ = false;
    }

    static std::string text_of(const Response& response) {
        if (response.result == "error" && !response.message.empty()) {
            throw WorkerError(response.command, response.message);
        }
        return response.result;
    }

    std::vector<Tensor> tensors_of(const Response& response) {
        const std::shared_ptr<Mailbox> mailbox = connection_.mailbox();
        std::vector<std::string> names = response.tensors;
        if (response.is_original && mailbox->has_tensor(response.result)) {
            names = {response.result};
        }
        std::vector<Tensor> tensors;
        for (const std::string& name : names) {
            std::optional<Tensor> tensor = mailbox->take_tensor(name);
            if (!tensor) {
                throw WorkerError(response.command, "it names a tensor that is not there: " + name);
            }
            tensors.push_back(std::move(*tensor));
        }
        return tensors;
    }

    std::optional<std::string> status() {
        const std::optional<std::string> data = connection_.mailbox()->read(file::status);
        return data ? std::optional(std::string(strip(*data))) : std::nullopt;
    }

    // Whether the worker has said a first word; which one tells whose worker it is.
    bool has_said_a_word() {
        const std::optional<std::string> word = status();
        if (!word || word->empty()) return false;
        if (whose_ == Whose::Unknown) learn(*word == "running");
        return true;
    }

    // Ours moves all its files to their places.
    void learn(bool is_original) {
        whose_ = is_original ? Whose::Original : Whose::Ours;
        connection_.expect(is_original);
    }

    const std::string script_;
    const std::string session_id_;
    const std::string workspace_;
    Connection connection_;
    std::function<void(const Progress&)> on_progress_;
    // The request that is not answered, and the response that is not taken.
    std::optional<Request> pending_;
    // That of the pending request, for who has no turn.
    std::string id_;
    std::mutex identifying_;
    std::optional<Response> answered_;
    std::optional<Progress> reported_;
    // Of the tensors of the exchange that is under way.
    std::vector<std::string> tags_;
    // Whose worker it is, which its first word tells; read by who has no turn, too.
    enum class Whose { Unknown, Ours, Original };
    std::atomic<Whose> whose_{Whose::Unknown};
    bool is_overdue_ = false;
    bool is_posted_ = true;
    std::string token_;
    unsigned long long serial_ = 0;
};

// ------------------------------------------------------------------ the session

PythonSession::PythonSession(const std::string& script_path, const std::string& session_id,
                             bool quiet_mode, const std::string& workspace)
    : client_(std::make_unique<Client>(script_path, session_id, quiet_mode, workspace)),
      exceptions_(std::uncaught_exceptions()) {}

PythonSession::~PythonSession() {
    if (!client_) return;
    try {
        client_->please_exit(std::uncaught_exceptions() > exceptions_ ? 1 : exit_ms, true);
    } catch (const std::exception&) {  // the directory cannot be removed: no reason to end
    }
}

PythonSession::PythonSession(PythonSession&&) noexcept = default;

PythonSession& PythonSession::operator=(PythonSession&& other) noexcept {
    PythonSession ended(std::move(*this));
    client_ = std::move(other.client_);
    return *this;
}

void PythonSession::start() {
    client_->start();
}

void PythonSession::restart(int timeout_ms) {
    client_->end();
    client_->start();
    client_->wait_until_ready(timeout_ms);
}

bool PythonSession::is_alive() const {
    return client_->is_alive();
}

bool PythonSession::please_exit(int timeout_ms, bool ensure) {
    return client_->please_exit(timeout_ms, ensure);
}

void PythonSession::terminate() {
    client_->end();
}

bool PythonSession::join(int timeout_ms) {
    const std::shared_ptr<Process> process = client_->connection().process();
    return !process || process->wait(for_ever_at_0(timeout_ms));
}

const std::string& PythonSession::session_id() const noexcept {
    return client_->session_id();
}

std::string PythonSession::session_dir() const {
    return client_->session_dir();
}

void PythonSession::set_quiet_mode(bool quiet_mode) {
    client_->connection().set_quiet(quiet_mode);
}

bool PythonSession::is_ready() {
    return client_->is_ready();
}

bool PythonSession::is_busy() {
    return client_->is_busy();
}

bool PythonSession::wait_until_ready(int timeout_ms) {
    client_->wait_until_ready(timeout_ms);
    return true;
}

bool PythonSession::wait_until_ok(int timeout_ms) {
    return client_->wait_until_ok(timeout_ms);
}

bool PythonSession::new_response() {
    return client_->new_response();
}

std::optional<Progress> PythonSession::progress() {
    return client_->progress();
}

void PythonSession::on_progress(std::function<void(const Progress&)> callback) {
    client_->on_progress(std::move(callback));
}

void PythonSession::send_request(const std::string& message) {
    client_->send_request(message);
}

std::optional<std::string> PythonSession::read_response() {
    return client_->read_response();
}

std::string PythonSession::wait_for_response(int timeout_ms) {
    return client_->wait_for_response(timeout_ms);
}

std::string PythonSession::fetch_response(const std::string& message, int timeout_ms) {
    return client_->fetch_response(message, timeout_ms);
}

void PythonSession::send_tensor(const Tensor& tensor, const std::string& tag) {
    client_->send_tensor(tensor, tag);
}

Tensor PythonSession::wait_for_tensor(int timeout_ms) {
    return client_->wait_for_tensors(timeout_ms, true).front();
}

std::vector<Tensor> PythonSession::wait_for_tensors(int timeout_ms) {
    return client_->wait_for_tensors(timeout_ms, false);
}

Tensor PythonSession::fetch_tensor(const std::string& message, int timeout_ms) {
    return client_->fetch_tensors(message, timeout_ms, true).front();
}

std::vector<Tensor> PythonSession::fetch_tensors(const std::string& message, int timeout_ms) {
    return client_->fetch_tensors(message, timeout_ms, false);
}

Tensor PythonSession::calculate(const std::string& command, int timeout_ms) {
    return calculate(command, std::vector<Tensor>(), timeout_ms);
}

Tensor PythonSession::calculate(const std::string& command, const Tensor& a, int timeout_ms) {
    return calculate(command, several({a}), timeout_ms);
}

Tensor PythonSession::calculate(const std::string& command, const Tensor& a, const Tensor& b,
                                int timeout_ms) {
    return calculate(command, several({a, b}), timeout_ms);
}

Tensor PythonSession::calculate(const std::string& command, const Tensor& a, const Tensor& b,
                                const Tensor& c, int timeout_ms) {
    return calculate(command, several({a, b, c}), timeout_ms);
}

Tensor PythonSession::calculate(const std::string& command, const std::vector<Tensor>& tensors,
                                int timeout_ms) {
    return client_->calculate(command, tensors, timeout_ms, true).front();
}

std::vector<Tensor> PythonSession::calculate_all(const std::string& command,
                                                 const std::vector<Tensor>& tensors,
                                                 int timeout_ms) {
    return client_->calculate(command, tensors, timeout_ms, false);
}

}  // namespace tr
