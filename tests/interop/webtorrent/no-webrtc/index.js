// No WebRTC here: its native module has no binary for every machine, and TCP is what is tested.
export const RTCPeerConnection = undefined
export const RTCSessionDescription = undefined
export const RTCIceCandidate = undefined
export default {}
