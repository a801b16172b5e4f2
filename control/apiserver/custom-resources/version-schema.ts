/** One version of a custom resource as its objects are read and checked: its schema, read when it is first needed. */
import type { FieldError } from '#api/field-error.ts';
import type { KubeObject } from '#api/meta.ts';
import type { CustomResourceDefinitionVersion } from '#api/types.generated.ts';

/** The schema of one version. */
export class VersionSchema {
  readonly #version: CustomResourceDefinitionVersion;

  constructor(version: CustomResourceDefinitionVersion) {
    this.#version = version;
  }

  get name(): string {
    return this.#version.name;
  }

  /** Drops unknown fields; in place. @returns their paths */
  prune(_object: KubeObject): string[] {
    return [];
  }

  /** In place. */
  applyDefaults(_object: KubeObject): void {}

  /** @param old undefined on create @param part only this field is written: `status` */
  validate(_object: KubeObject, _old: KubeObject | undefined, _part: string): FieldError[] {
    return [];
  }
}
