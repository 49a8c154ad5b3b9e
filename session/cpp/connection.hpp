// One worker and its directory: started together, waited for together, gone together.
//
// A forked child of the client has no part in them: it neither ends the worker nor removes
// anything. Raises WorkerDied, SessionTimeout and what the parts raise.
#ifndef TR_SESSION_CONNECTION_HPP
#define TR_SESSION_CONNECTION_HPP

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "fork.hpp"
#include "mailbox.hpp"
#include "process.hpp"
#include "tech_renaissance/utils/python_session.h"
#include "watch.hpp"

namespace tr {

class Connection : private ForkAware {
public:
    explicit Connection(bool is_quiet) : is_quiet_(is_quiet) { enlist(); }
    ~Connection() { retire(); }

    // Held by the thread that has a request under way.
    std::recursive_mutex& turn() noexcept { return *turn_; }
    // Those of now: they stay for as long as somebody has them. Nothing where there is none.
    std::shared_ptr<Process> process() const;
    // Raises SessionError where there is none.
    std::shared_ptr<Mailbox> mailbox() const;
    void set_quiet(bool is_quiet) noexcept { is_quiet_ = is_quiet; }

    // Takes the directory, and starts the worker in it. Under `turn`, as all that follows.
    void start(const std::string& script, const std::string& session_id,
               const std::string& workspace);
    // Ends the worker and its children, and removes the directory.
    void end();
    // Raises WorkerDied, unless the worker runs.
    void check() const;
    // Looks out for files that the worker moves to their place, or for those in place, too.
    void expect(bool in_place);
    // Looks until something is there: until `look` is true. 0 ms wait for ever; `what` is what
    // errors say was waited for.
    template <class Look>
    void wait(Look look, int timeout_ms, const std::string& what) {
        Wait waiting(*this, timeout_ms, what);
        do {
            waiting.watch_->drain();
            if (look()) return;
            if (waiting.has_ended()) {
                if (look()) return;  // its last words
                waiting.raise_death();
            }
            waiting.sleep();
        } while (true);
    }

private:
    class Wait {
    public:
        Wait(Connection& connection, int timeout_ms, const std::string& what);

        bool has_ended() const;
        [[noreturn]] void raise_death() const;
        // Waits for something to happen. Raises SessionTimeout.
        void sleep();

        const std::shared_ptr<Process> process_;
        // What is looked for may start another worker.
        const std::shared_ptr<Watch> watch_;

    private:
        const int timeout_ms_;
        const std::string& what_;
        const std::chrono::steady_clock::time_point deadline_;
        const bool is_always_;
        bool may_have_ended_;
    };

    [[noreturn]] static void raise_death(Process& process);
    void in_forked_child() override;

    std::unique_ptr<std::recursive_mutex> turn_ = std::make_unique<std::recursive_mutex>();
    // Held by who looks which parts there are. Who changes them holds the mutex of forks, too.
    std::unique_ptr<std::mutex> parts_ = std::make_unique<std::mutex>();
    std::shared_ptr<Mailbox> mailbox_;
    std::shared_ptr<Watch> watch_;
    std::shared_ptr<Process> process_;
    std::atomic<bool> is_quiet_;
};

}  // namespace tr

#endif
