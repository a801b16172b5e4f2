/** Taints of devices. Source: KEP-5055; dynamic-resource-allocation `resourceclaim/devicetoleration.go`. */
import type { DeviceTaint, DeviceToleration } from '#api/types.generated.ts';

/** Whether a taint keeps the device from being allocated. Effects that are not known keep nobody. */
export const preventsAllocation = (taints: readonly DeviceTaint[] = [], tolerations: readonly DeviceToleration[] = []): boolean =>
  taints.some(
    (taint) =>
      (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') &&
      !tolerations.some((toleration) => toleratesDeviceTaint(toleration, taint)),
  );

/** Whether the toleration lets the taint pass. What it leaves out means any. */
export function toleratesDeviceTaint(
  { effect = '', key = '', operator = 'Equal', value = '' }: DeviceToleration,
  taint: DeviceTaint,
): boolean {
  if (effect !== '' && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  return operator === 'Exists' || ((operator === 'Equal' || operator === '') && value === (taint.value ?? ''));
}
