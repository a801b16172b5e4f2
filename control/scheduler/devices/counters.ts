/** Counters that devices of a pool share: parts of one card use up what the whole has. Source: KEP-4815. */
import { ownValue } from '#api/own-value.ts';
import { addQuantity, compareQuantity, type ParsedQuantity, parseQuantity, subtractQuantity } from '#api/quantity.ts';
import type { Device } from '#api/types.generated.ts';
import type { DevicePool } from './device-pools.ts';
import { type AllocatedState, deviceId, isAllocated } from './device-state.ts';

/** What is left of each counter, by set and name. */
type Left = Map<string, Map<string, ParsedQuantity>>;

/** The counters of pools, while devices are chosen. */
export class Counters {
  readonly #left = new Map<DevicePool, Left>();
  readonly #state: AllocatedState;

  constructor(state: AllocatedState) {
    this.#state = state;
  }

  /** Takes what the device uses. @returns false: not that much is left, and nothing was taken */
  take(pool: DevicePool, device: Device): boolean {
    const left = this.#left.getOrInsertComputed(pool, () => leftIn(pool, this.#state));
    change(left, device, subtractQuantity);
    const isEnough = (device.consumesCounters ?? []).every(({ counterSet, counters }) =>
      Object.keys(counters).every((name) => {
        const value = left.get(counterSet)?.get(name);
        return value === undefined || compareQuantity(value, 0) >= 0;
      }),
    );
    if (!isEnough) change(left, device, addQuantity);
    return isEnough;
  }

  giveBack(pool: DevicePool, device: Device): void {
    const left = this.#left.get(pool);
    if (left !== undefined) change(left, device, addQuantity);
  }
}

function leftIn({ driver, name: pool, slices, otherSlices, counterSets }: DevicePool, state: AllocatedState): Left {
  const left: Left = new Map(
    [...counterSets].map(([set, { counters }]) => [
      set,
      new Map(Object.entries(counters).map(([name, { value }]) => [name, parseQuantity(value)])),
    ]),
  );
  for (const { spec } of [...slices, ...otherSlices])
    for (const device of spec.devices ?? [])
      if (isAllocated(deviceId(driver, pool, device.name), state)) change(left, device, subtractQuantity);
  return left;
}

function change(left: Left, { consumesCounters = [] }: Device, by: typeof addQuantity): void {
  for (const { counterSet, counters } of consumesCounters) {
    const set = left.get(counterSet);
    for (const name of Object.keys(counters)) {
      const [value, used] = [set?.get(name), ownValue(counters, name)?.value];
      if (value !== undefined && used !== undefined) set?.set(name, by(value, used));
    }
  }
}
