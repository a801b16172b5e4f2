/** What Deployments and ReplicaSets have in common: the template of their pods. */
import type { KubeObject } from '#api/meta.ts';
import { isDns1123Label } from '#api/names.ts';
import type { PodTemplateSpec } from '#api/types.generated.ts';
import { setPodSpecDefaults } from './defaults.ts';
import { podWarnings } from './warnings.ts';

/** In place. Pods made from the template get the rest of the defaults when they are made. */
export function setTemplateDefaults(template: PodTemplateSpec): void {
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  setPodSpecDefaults(template.spec);
}

/** On creation, and on updates that raised the generation. */
export function workloadWarnings(
  object: KubeObject,
  template: PodTemplateSpec | undefined,
  old: KubeObject | undefined,
): string[] {
  const warnings: string[] = [];
  if (old === undefined) {
    const texts = isDns1123Label(object.metadata.name);
    const text =
      'metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
    if (texts.length > 0) warnings.push(`${text}: [${texts.join(' ')}]`);
  } else if (old.metadata.generation === object.metadata.generation) return [];
  if (template?.spec !== undefined) warnings.push(...podWarnings(template.spec, template.metadata ?? {}, 'spec.template.'));
  return warnings;
}
