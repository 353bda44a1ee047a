/** The core process listens here, in its state directory. */
export const API_SOCKET = "api.sock";
