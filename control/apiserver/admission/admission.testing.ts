/** For tests: calls one plugin for a request, in both passes, as the chain does. */
import type { KubeObject } from '#api/meta.ts';
import { ApiError } from '#api/status.ts';
import { attributesOf, type HarnessOptions, testContext } from '../kinds/strategy.testing.ts';
import type { AdmissionAttributes, AdmissionPlugin, Operation } from './plugin.ts';

export interface Asked {
  object?: KubeObject;
  old?: KubeObject;
  subresource?: string;
  /** Attributes that differ from those derived from the objects. */
  told?: Partial<AdmissionAttributes>;
  stored?: HarnessOptions['stored'];
}

/** The object after the plugin's changes, or the message of its refusal. */
export async function ask(
  plugin: AdmissionPlugin,
  operation: Operation,
  { object, old, subresource = '', told = {}, stored = {} }: Asked,
): Promise<KubeObject | string | undefined> {
  const copy = structuredClone(object);
  const about = copy ?? old;
  if (about === undefined) throw new Error('a test asks about an object');
  const attributes = { ...attributesOf(operation, about, old, subresource, told.resource), object: copy, ...told };
  const context = testContext({ stored });
  if (!plugin.handles(operation)) return copy;
  try {
    await plugin.mutate?.(attributes, context);
    await plugin.validate?.(attributes, context);
  } catch (error) {
    if (error instanceof ApiError) return `${error.code} ${error.message}`;
    throw error;
  }
  return copy;
}

export const objectOf = (kind: string, name: string, namespace?: string, more: object = {}): KubeObject =>
  ({ apiVersion: 'v1', kind, metadata: namespace === undefined ? { name } : { name, namespace }, ...more }) as KubeObject;
