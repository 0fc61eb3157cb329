/* libcurand.so.10: nothing here draws numbers. */
#include "record.h"
