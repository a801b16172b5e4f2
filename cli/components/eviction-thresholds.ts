/** `evictionHard` of a KubeletConfiguration. Source: kubernetes `pkg/kubelet/eviction/helpers.go` (parseThresholdStatement). */
import type { PressureThresholds } from '#agent/kubelet/node/pressure.ts';
import { isQuantity, toNumber } from '#api/quantity.ts';

const shares: Readonly<Record<string, keyof PressureThresholds>> = {
  'nodefs.available': 'nodefsAvailable',
  'nodefs.inodesFree': 'nodefsInodesFree',
  'imagefs.available': 'imagefsAvailable',
  'pid.available': 'pidAvailable',
};
/** Upstream has them; here they are not looked at. */
const others = ['imagefs.inodesFree', 'containerfs.available', 'containerfs.inodesFree', 'allocatableMemory.available'];

/** @returns the thresholds, and the signals that are not looked at @throws Error that names the signal */
export function evictionThresholds(written: Readonly<Record<string, string>>): {
  thresholds: Partial<PressureThresholds>;
  unheeded: string[];
} {
  const thresholds: Partial<PressureThresholds> = {};
  const unheeded: string[] = [];
  for (const [signal, value] of Object.entries(written)) {
    const share = Object.hasOwn(shares, signal) ? shares[signal] : undefined;
    if (signal === 'memory.available') thresholds.memoryAvailableBytes = bytes(signal, value);
    else if (share !== undefined) thresholds[share] = percent(signal, value);
    else if (others.includes(signal)) unheeded.push(signal);
    else throw new Error(`evictionHard: unknown eviction signal ${signal}`);
  }
  return { thresholds, unheeded };
}

function bytes(signal: string, value: string): number {
  if (value.endsWith('%')) throw new Error(`evictionHard: ${signal}: give a quantity such as 100Mi, not a share`);
  if (!isQuantity(value)) throw new Error(`evictionHard: ${signal}: ${JSON.stringify(value)} is not a quantity`);
  return toNumber(value);
}

function percent(signal: string, value: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%$/.exec(value) ?? [];
  if (number === undefined || Number(number) > 100)
    throw new Error(`evictionHard: ${signal}: give a share such as 10%, not ${JSON.stringify(value)}`);
  return Number(number) / 100;
}
