/**
 * The spec as upstream's internal version has it, which errors name: what all versions have alike stands once, at the top.
 *
 * Source: apiextensions-apiserver `pkg/apis/apiextensions/v1/conversion.go`.
 */
import { sameJson } from '#api/meta.ts';
import type { CustomResourceDefinitionSpec, CustomResourceDefinitionVersion } from '#api/types.generated.ts';

/** The parts that move, with their names at the top and in a version. */
const movable = [
  { top: 'validation', own: 'schema' },
  { top: 'subresources', own: 'subresources' },
  { top: 'additionalPrinterColumns', own: 'additionalPrinterColumns' },
  { top: 'selectableFields', own: 'selectableFields' },
] as const;

/** A part of a version. */
export type VersionPart = (typeof movable)[number]['own'];

/** Where errors say that a part of a version is. */
export interface PartPlaces {
  /** `spec.validation`, or `spec.versions[0].schema`. */
  path(version: number, part: VersionPart): string;
  /** Whether the part is the same in all versions: it is checked once. */
  isShared(part: VersionPart): boolean;
}

const isSame = (versions: readonly CustomResourceDefinitionVersion[], part: VersionPart): boolean =>
  versions.every((version) => sameJson(version[part] ?? null, versions[0]?.[part] ?? null));

/** @returns where the parts of the spec's versions are */
export function partPlaces({ versions }: CustomResourceDefinitionSpec): PartPlaces {
  const shared = new Set(movable.filter(({ own }) => isSame(versions, own)).map(({ own }) => own));
  const tops = Object.fromEntries(movable.map(({ own, top }) => [own, top])) as Record<VersionPart, string>;
  return {
    isShared: (part) => shared.has(part),
    path: (version, part) => (shared.has(part) ? `spec.${tops[part]}` : `spec.versions[${version}].${part}`),
  };
}
