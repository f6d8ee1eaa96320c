// SPDX-License-Identifier: Apache-2.0
// Many clients of one server in one process, for mixed.c: each sends numbered
// messages with a content that follows from its own number, expects each back
// as it was, and this program ends with how many there were. It may be killed
// at any time and started again with other numbers.
using System;
using System.IO.Pipes;
using System.Threading;

static class Mixed
{
    const int Window = 16; // messages on their way at a time

    static byte[] Message(int client, int number)
    {
        var bytes = new byte[8 + (client * 31 + number * 17) % 200];
        BitConverter.GetBytes(client).CopyTo(bytes, 0);
        BitConverter.GetBytes(number).CopyTo(bytes, 4);
        for (int i = 8; i < bytes.Length; i++)
            bytes[i] = (byte)(client * 7 + number * 3 + i);
        return bytes;
    }

    static bool Equal(byte[] a, byte[] b)
    {
        if (a == null || a.Length != b.Length)
            return false;
        for (int i = 0; i < a.Length; i++)
            if (a[i] != b[i])
                return false;
        return true;
    }

    static int Converse(string name, int client, int messages)
    {
        using (var pipe = new NamedPipeClientStream(name))
        {
            pipe.Connect(20000);
            for (int sent = 0, back = 0; back < messages; back++)
            {
                for (; sent < messages && sent < back + Window; sent++)
                    Framed.Write(pipe, Message(client, sent));
                if (!Equal(Framed.Read(pipe), Message(client, back)))
                {
                    Console.Error.WriteLine("client {0}: message {1} is wrong",
                                            client, back);
                    return back;
                }
            }
        }
        return messages;
    }

    public static int Run(string name, int clients, int messages, int first)
    {
        var threads = new Thread[clients];
        int total = 0;

        for (int i = 0; i < clients; i++)
        {
            int client = first + i;
            threads[i] = new Thread(() => {
                try
                {
                    Interlocked.Add(ref total,
                                    Converse(name, client, messages));
                }
                catch (Exception e)
                {
                    Console.Error.WriteLine("client {0}: {1}", client,
                                            e.Message);
                }
            }, 256 * 1024);
            threads[i].Start();
        }
        foreach (var thread in threads)
            thread.Join();
        Console.WriteLine("{0} messages", total);
        return total == clients * messages ? 0 : 1;
    }
}
