"""The same faults for our server and for Pipecat's, from outside, over real sockets."""
