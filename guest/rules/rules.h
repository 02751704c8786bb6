/*
 * The rules of the VMX instructions, in groups. Expected values are the SDM's.
 */
#ifndef GUEST_RULES_RULES_H
#define GUEST_RULES_RULES_H

void rules_before_vmx(void); /* R2 */
void rules_vmxon(void); /* R1 to R6 */
void rules_pointers(void); /* R7 to R9 */
void rules_access(void); /* R10 and R12 */
void rules_operands(void); /* R11, and operands of every form */
void rules_entry(void); /* R13 to R17 */
void rules_mode(void); /* R16, in legacy mode too */
void rules_many(void); /* R9, with many VMCSs */
void rules_invalidate(void); /* R18 */
void rules_l2(void); /* R19 and R20 */

#endif
