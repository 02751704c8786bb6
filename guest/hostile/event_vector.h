/*
 * The vector that the attacks use for what they deliver. For C and assembly.
 */
#ifndef GUEST_HOSTILE_EVENT_VECTOR_H
#define GUEST_HOSTILE_EVENT_VECTOR_H

#define EVENT_VECTOR 0x41

#endif
