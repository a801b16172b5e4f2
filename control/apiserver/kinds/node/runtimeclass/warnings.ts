/** Warnings about a RuntimeClass. Source: upstream `pkg/api/node/util.go`. */
import type { RuntimeClass } from '#api/types.generated.ts';
import { deprecatedNodeLabel } from '../../core/pod/warnings.ts';

/** Warnings about deprecated node labels in `scheduling.nodeSelector`. Source: upstream `pkg/api/node/util.go`. */
export function runtimeClassWarnings({ scheduling }: RuntimeClass): string[] {
  return Object.keys(scheduling?.nodeSelector ?? {}).flatMap((key) => {
    const text = deprecatedNodeLabel(key);
    return text === undefined ? [] : [`scheduling.nodeSelector: ${text}`];
  });
}
