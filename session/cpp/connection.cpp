// See connection.hpp.
#include "connection.hpp"

#include <vector>

namespace tr {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

[[noreturn]] void raise_no_worker() {
    throw SessionError("the session has no worker: start() comes first");
}

const std::shared_ptr<Watch>& watch_of(const std::shared_ptr<Watch>& watch,
                                       const std::shared_ptr<Process>& process) {
    if (!watch || !process) raise_no_worker();
    return watch;
}

// Keeps something that a forked child has, and must not destroy, for as long as it runs.
void keep_for_ever(std::shared_ptr<void> held) {
    static auto& kept = *new std::vector<std::shared_ptr<void>>;
    kept.push_back(std::move(held));
}

}  // namespace

std::shared_ptr<Process> Connection::process() const {
    const std::lock_guard lock(*parts_);
    return process_;
}

std::shared_ptr<Mailbox> Connection::mailbox() const {
    const std::lock_guard lock(*parts_);
    if (!mailbox_) raise_no_worker();
    return mailbox_;
}

void Connection::start(const std::string& script, const std::string& session_id,
                       const std::string& workspace) {
    auto mailbox = Mailbox::open_locked(session_path(workspace, session_id));
    {
        const std::scoped_lock lock(*parts_, mutex());
        mailbox_ = mailbox;
    }
    try {
        mailbox->clear();
        // First the watch, then the worker: so nothing it does goes unseen. An original one
        // writes its status in place.
        const auto watch = std::make_shared<Watch>(mailbox->path(), true);
        auto process =
            std::make_shared<Process>(script, session_id, workspace, [this] { return !is_quiet_; });
        watch->add(process->descriptor());
        const std::scoped_lock lock(*parts_, mutex());
        watch_ = watch;
        process_ = std::move(process);
    } catch (...) {
        try {
            end();
        } catch (const TRException&) {  // the first error tells more
        }
        throw;
    }
}

void Connection::end() {
    std::shared_ptr<Process> process;
    std::shared_ptr<Watch> watch;
    std::shared_ptr<Mailbox> mailbox;
    {
        const std::scoped_lock lock(*parts_, mutex());
        process.swap(process_);
        watch.swap(watch_);
        mailbox.swap(mailbox_);
    }
    if (process) {
        process->kill();
        process->close();
    }
    watch.reset();
    if (mailbox) mailbox->destroy();
}

void Connection::check() const {
    const std::shared_ptr<Process> process = this->process();
    if (!process) raise_no_worker();
    if (!process->is_alive()) raise_death(*process);
}

void Connection::expect(bool in_place) {
    if (watch_) watch_->expect(in_place);
}

void Connection::raise_death(Process& process) {
    process.kill();  // what it has left behind
    throw WorkerDied(process.returncode(), process.tail());
}

void Connection::in_forked_child() {
    // The worker and the directory are the parent's, and so is the thread that may have held a
    // lock.
    if (watch_) watch_->disown();
    if (mailbox_) mailbox_->disown();
    if (process_) process_->disown();
    keep_for_ever(std::move(turn_));
    keep_for_ever(std::move(parts_));
    keep_for_ever(std::move(watch_));
    keep_for_ever(std::move(mailbox_));
    keep_for_ever(std::move(process_));
    turn_ = std::make_unique<std::recursive_mutex>();
    parts_ = std::make_unique<std::mutex>();
}

// ------------------------------------------------------------------ waiting

Connection::Wait::Wait(Connection& connection, int timeout_ms, const std::string& what)
    : process_(connection.process()),
      watch_(watch_of(connection.watch_, process_)),
      timeout_ms_(timeout_ms),
      what_(what),
      deadline_(steady_clock::now() + milliseconds(timeout_ms)),
      // Where the end of the process is an event, it need not be looked for at every other one.
      is_always_(process_->descriptor() == -1),
      may_have_ended_(is_always_) {
    watch_->reset();
}

bool Connection::Wait::has_ended() const {
    return may_have_ended_ && !process_->is_alive();
}

void Connection::Wait::raise_death() const {
    Connection::raise_death(*process_);
}

void Connection::Wait::sleep() {
    std::optional<std::chrono::nanoseconds> left;
    if (timeout_ms_ != 0) {
        left = deadline_ - steady_clock::now();
        if (left->count() <= 0) throw SessionTimeout(what_, timeout_ms_);
    }
    may_have_ended_ = watch_->wait(left) || is_always_;
}

}  // namespace tr
