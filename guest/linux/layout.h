/* The virtual machine that kvmrun.c builds and l2.c runs in. */
#pragma once

#define L2_MEMORY 0x1000000u /* from 0 up: program, page tables, stack */
#define L2_START 0x100000u
#define L2_DATA 0x1000000u /* a second memory slot, with a dirty log */
#define L2_DATA_SIZE 0x800000u
#define L2_SEED 0x4e6573746c696e67ull

enum l2_job { L2_JOB_FEATURES, L2_JOB_PRESSURE }; /* in RSI at the start */

#define L2_DEVICE 0xd0000000u /* no memory: each access is the program's to answer */
#define L2_DEVICE_ANSWER 0x6e657374u

#define L2_PORT_TEXT 0x3f8 /* text, byte by byte */
#define L2_PORT_CRC 0x500 /* 32-bit: the CRC that L2 found */
#define L2_PORT_END 0x501 /* 8-bit: how it ended, 0 is well */
#define L2_PORT_MORE 0x502 /* 8-bit, read: 1 while L2 is to go on under pressure */
#define L2_PORT_TICKS 0x503 /* 32-bit: the timer interrupts that L2 took under pressure */
