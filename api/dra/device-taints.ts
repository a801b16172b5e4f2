/** Taints of devices. Source: KEP-5055; dynamic-resource-allocation `resourceclaim/devicetoleration.go`. */
import type { DeviceTaint, DeviceToleration } from '#api/types.generated.ts';

/** Whether a taint prevents the allocation of the device. Unknown effects do not. */
export const preventsAllocation = (taints: readonly DeviceTaint[] = [], tolerations: readonly DeviceToleration[] = []): boolean =>
  taints.some(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !tolerations.some((toleration) => toleratesDeviceTaint(toleration, taint)),
  );

/** Whether the toleration tolerates the taint. An absent field matches any value. */
export function toleratesDeviceTaint(
  { effect = '', key = '', operator = 'Equal', value = '' }: DeviceToleration,
  taint: DeviceTaint,
): boolean {
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  return operator === 'Exists' || ((operator === 'Equal' || operator === '') && value === (taint.value ?? ''));
}
