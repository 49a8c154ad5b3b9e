// Names of files that nobody else in a session gives.
#ifndef TR_SESSION_PRIVATE_NAME_HPP
#define TR_SESSION_PRIVATE_NAME_HPP

#include <string>

namespace tr {

// ".PROCESS-NUMBER.KIND": each is given once.
std::string private_name(const char* kind);

}  // namespace tr

#endif
