#ifndef GUEST_LIB_START_H
#define GUEST_LIB_START_H

/* The program: runs in 64-bit ring 0 with interrupts off; when it returns, the machine powers off. */
void guest_main(void);

#endif
