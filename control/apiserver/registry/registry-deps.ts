/** The dependencies of the registry and its parts. */
import type { AdmissionChain } from '../admission/chain.ts';
import type { ObjectChecksDeps } from './object-checks.ts';
import type { ObjectWriterDeps } from './object-writer.ts';

/** What a Registry needs. */
export interface RegistryDeps extends ObjectChecksDeps, ObjectWriterDeps {
  admission: AdmissionChain;
  /** A number in [0, 1), for generated names. */
  random: () => number;
}
