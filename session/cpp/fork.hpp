// Have no part in what the parent has, after a fork of the client. Nothing happens elsewhere than
// on POSIX systems.
#ifndef TR_SESSION_FORK_HPP
#define TR_SESSION_FORK_HPP

#include <mutex>

namespace tr {

// What has to know of forks. It is told from the end of its construction until its destruction
// begins, which its own constructor and destructor have to say.
class ForkAware {
public:
    ForkAware(const ForkAware&) = delete;
    ForkAware& operator=(const ForkAware&) = delete;

    virtual void before_fork() {}
    virtual void in_forked_child() {}

    // Held across a fork, and while nothing that is told of it may change.
    static std::mutex& mutex();

protected:
    ForkAware();
    ~ForkAware() = default;

    void enlist();
    void retire() noexcept;
};

}  // namespace tr

#endif
