// All of the library: tensors, their errors and, where it is built, the session with Python.
//
// Raises what each header says; everything derives from tr::TRException.
#ifndef TECH_RENAISSANCE_H
#define TECH_RENAISSANCE_H

#include <cstddef>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include "tech_renaissance/exception.h"
#include "tech_renaissance/tensor.h"

#ifdef TR_BUILD_PYTHON_SESSION
#include "tech_renaissance/utils/python_session.h"
#endif

#endif
