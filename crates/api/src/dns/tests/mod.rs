mod decode;
mod limits;
mod random;
mod transcript;
mod world;
