/** Which storage class a claim gets that names none. Source: upstream `pkg/volume/util/storageclass.go`. */
import type { StorageClass } from '../types.generated.ts';

const annotations = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** Whether an annotation, the present or the old one, marks the class as a default. */
export const isDefaultClass = ({ metadata }: StorageClass): boolean =>
  annotations.some((name) => metadata.annotations?.[name] === 'true');

/** The newest of the default ones; of equally old ones the first by name. Undefined: there is none. Pure. */
export function defaultClass(classes: readonly StorageClass[]): StorageClass | undefined {
  return classes.filter(isDefaultClass).reduce<StorageClass | undefined>((best, one) => {
    if (best === undefined) return one;
    const [bestMs, oneMs] = [best, one].map(({ metadata }) => Date.parse(metadata.creationTimestamp ?? '')) as [number, number];
    return oneMs > bestMs || (oneMs === bestMs && one.metadata.name < best.metadata.name) ? one : best;
  }, undefined);
}
