/* Exported beside the entry function. */
#include <velocity/abi.h>

VELOCITY_EXPORT int more_than_that(void);
int more_than_that(void) { return 0; }
