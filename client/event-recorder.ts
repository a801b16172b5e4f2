/** Events about objects, as `kubectl describe` shows them: repeated ones are counted, not repeated. */
import type { KubeObject } from '#api/meta.ts';
import type { ObjectReference } from '#api/types.generated.ts';

export interface EventRecorder {
  /**
   * Records an event about an object; never throws and never blocks the caller.
   * Sameness (object, type, reason, message) raises `count` and `lastTimestamp` of the stored event.
   */
  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}
