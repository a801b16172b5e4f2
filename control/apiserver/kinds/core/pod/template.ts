/** What all kinds with a pod template have in common; `defineStrategy` applies it where a kind declares its `podTemplate`. */
import type { KubeObject } from '#api/meta.ts';
import { isDns1123Label } from '#api/names.ts';
import type { PodTemplateSpec } from '#api/types.generated.ts';
import { setPodSpecDefaults } from './defaults.ts';
import { podWarnings } from './warnings.ts';

/** Sets the template's defaults, in place. The rest of a pod's defaults is set when a pod is made from the template. */
export function setTemplateDefaults(template: PodTemplateSpec): void {
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  setPodSpecDefaults(template.spec);
}

/**
 * Warnings about the template: on create, and on updates that raised the generation.
 * @param path of the template: `spec.template`
 */
export function templateWarnings(
  object: KubeObject,
  { spec, metadata = {} }: PodTemplateSpec,
  old: KubeObject | undefined,
  path: string,
): string[] {
  if (spec === undefined || (old !== undefined && old.metadata.generation === object.metadata.generation)) return [];
  return podWarnings(spec, metadata, `${path}.`);
}

/** Warnings about the name, on create, for kinds whose names become parts of pod names. */
export function podNameWarnings({ metadata }: KubeObject, old: KubeObject | undefined): string[] {
  const texts = old === undefined ? isDns1123Label(metadata.name) : [];
  const text =
    'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
  return texts.length === 0 ? [] : [`${text}: [${texts.join(' ')}]`];
}
