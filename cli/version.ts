/** The version of the program, and the Kubernetes version that it reports. */
import packageJson from '../package.json' with { type: 'json' };

/** The version in package.json. */
export const version: string = packageJson.version;
/** The version in `GET /version` and in a node's `kubeletVersion`. */
export const kubernetesVersion = `v1.36.0+tinkernetes${version}`;
