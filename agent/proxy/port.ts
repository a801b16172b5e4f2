/** What a packet can be sent to. Objects from the API are no promise: not every check of theirs is the server's. */
export const isPort = (port: unknown): port is number => Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535;
