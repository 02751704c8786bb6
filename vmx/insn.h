/*
 * Every VMX instruction that L0 executes, and nothing else. VMLAUNCH and VMRESUME are in vmx/entry.S.
 * Results are the SDM's three: "VMsucceed", "VMfailInvalid", "VMfailValid" (VMX instruction
 * reference, "Conventions").
 */
#ifndef VMX_INSN_H
#define VMX_INSN_H

#include "vmx/count.h"
#include "vmx/types.h"

enum vmx_result { VMX_SUCCEED, VMX_FAIL_VALID, VMX_FAIL_INVALID };

#define VMX_RESULT(cf, zf) ((cf) ? VMX_FAIL_INVALID : (zf) ? VMX_FAIL_VALID : VMX_SUCCEED)

/* Success alone, which is all that anyone asks of these: neither CF nor ZF. */
#define VMX_POINTER_INSN(name) \
	static inline enum vmx_result hw_##name(const hpa_t *region) \
	{ \
		bool failed; \
		COUNT_ONE(name); \
		__asm__ volatile(#name " %1" : "=@ccbe"(failed) : "m"(region->v) : "memory"); \
		return failed ? VMX_FAIL_VALID : VMX_SUCCEED; \
	}
VMX_POINTER_INSN(vmxon)
VMX_POINTER_INSN(vmclear)
VMX_POINTER_INSN(vmptrld)
#undef VMX_POINTER_INSN

static inline enum vmx_result hw_vmread(u64 encoding, u64 *value)
{
	bool failed;
	COUNT_ONE(vmread);
	__asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(*value) : "r"(encoding));
	return failed ? VMX_FAIL_VALID : VMX_SUCCEED;
}

static inline enum vmx_result hw_vmwrite(u64 encoding, u64 value)
{
	bool failed;
	COUNT_ONE(vmwrite);
	__asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "rm"(value), "r"(encoding));
	return failed ? VMX_FAIL_VALID : VMX_SUCCEED;
}

enum invept_type { INVEPT_SINGLE = 1, INVEPT_GLOBAL = 2 };
enum invvpid_type { INVVPID_ADDRESS, INVVPID_SINGLE, INVVPID_ALL, INVVPID_RETAIN_GLOBALS };

static inline enum vmx_result hw_invept(enum invept_type type, u64 eptp)
{
	struct {
		u64 eptp, reserved;
	} descriptor = {eptp, 0};
	bool cf, zf;
	__asm__ volatile("invept %2, %3"
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "m"(descriptor), "r"((u64)type)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

static inline enum vmx_result hw_invvpid(enum invvpid_type type, u16 vpid, u64 linear)
{
	struct {
		u64 vpid, linear;
	} descriptor = {vpid, linear};
	bool cf, zf;
	__asm__ volatile("invvpid %2, %3"
			 : "=@ccc"(cf), "=@ccz"(zf)
			 : "m"(descriptor), "r"((u64)type)
			 : "memory");
	return VMX_RESULT(cf, zf);
}

/*
 * VMREAD and VMWRITE of the current VMCS, to and from memory or a register, of a field that exists and may be written: they
 * cannot fail. SDM: "VMREAD - Read Field From Virtual-Machine Control Structure", "VMWRITE - ...".
 */
static inline void hw_vmread_known(u64 encoding, u64 *to)
{
	COUNT_ONE(vmread);
	__asm__ volatile("vmread %1, %0" : "=m"(*to) : "r"(encoding) : "cc");
}

static inline u64 hw_vmread_value(u64 encoding)
{
	u64 value;
	COUNT_ONE(vmread);
	__asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(encoding) : "cc");
	return value;
}

static inline void hw_vmwrite_value(u64 encoding, u64 value)
{
	COUNT_ONE(vmwrite);
	__asm__ volatile("vmwrite %0, %1" : : "rm"(value), "r"(encoding) : "cc");
}

static inline void hw_vmwrite_known(u64 encoding, const u64 *from)
{
	COUNT_ONE(vmwrite);
	__asm__ volatile("vmwrite %0, %1" : : "m"(*from), "r"(encoding) : "cc");
}

#endif
