/* A shared object without the one symbol. */
int velocity_test_nothing(void);
int velocity_test_nothing(void) { return 0; }
