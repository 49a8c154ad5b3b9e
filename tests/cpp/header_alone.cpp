// The header as the first of a unit. There is nothing to run: that it compiles is the test.

#include <tsr/tsr.hpp>
static_assert(TSR_VERSION_MAJOR >= 0, "it says its version");
#include <tsr/tsr.hpp>
